using TunnelBox.EndToEnd.Tests.Harness;

namespace TunnelBox.EndToEnd.Tests.LongWaiting;

/// <summary>A minute on a bad network, with roaming, reloads and kills (<c>interop/impair/soak</c>).</summary>
internal static class Soak
{
    public static async Task RunAsync(Lab lab)
    {
        string result = Path.Combine(TunnelProgram.Root, "out", "soak.json");
        CommandResult run = await RunningProcess.RunAsync(
            [Path.Combine(TunnelProgram.Root, "interop", "impair", "soak")],
            lab.Deadline,
            environment: new Dictionary<string, string?>
            {
                ["OURS"] = TunnelProgram.Default.Expect().Path,
                ["TUNNELCTL"] = TunnelProgram.Tunnelctl,
                ["MINUTES"] = "1",
                ["RESULT"] = result,
                ["TMPDIR"] = lab.Folder,
            });
        lab.Report(() => run.Output + run.Error);
        Assert.Contains("No fault in 1 min.", run.Expect().Output, StringComparison.Ordinal);
    }
}
