using System.Text;

namespace TunnelBox.Visibility;

/// <summary>The registry of drop reasons as the page <c>REASONS.md</c>.</summary>
public static class ReasonsPage
{
    /// <summary>Writes the page.</summary>
    /// <returns>Markdown.</returns>
    public static string Write()
    {
        var page = new StringBuilder()
            .Append("# Drop reasons\n\n")
            .Append("Made from `DropReasons.cs`; a test compares the two. `tunnelctl stat` prints these names; where `/proc/net/xfrm_stat` has a\n")
            .Append("counter of the same meaning (with `Xfrm` in front), the name is the kernel's and is marked.\n");
        foreach (PacketDirection direction in Enum.GetValues<PacketDirection>())
        {
            page.Append($"\n## {direction}\n\n| name | kernel | meaning | remedy |\n|---|---|---|---|\n");
            foreach (DropReasonDescription reason in DropReasons.All.Where(d => d.Direction == direction))
            {
                page.Append($"| `{reason.Name}` | {(reason.KernelName is null ? string.Empty : "yes")} | {reason.Meaning} | {reason.Remedy} |\n");
            }
        }

        return page.ToString();
    }
}
