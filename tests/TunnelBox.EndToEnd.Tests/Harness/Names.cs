using System.Globalization;
using System.Text.RegularExpressions;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>Names of namespaces, links and folders: <c>tb&lt;pid&gt;-&lt;n&gt;</c>, at most 15 characters, so each tells whose it is.</summary>
internal static partial class Names
{
    private static int s_last;

    /// <summary>A name no other live process and no earlier call has used.</summary>
    public static string Next()
    {
        return $"tb{Environment.ProcessId}-{Interlocked.Increment(ref s_last)}";
    }

    /// <summary>True when the name has our shape and the process it belongs to is gone.</summary>
    public static bool IsLeftOver(string name)
    {
        Match match = Shape().Match(name);
        return match.Success
            && int.TryParse(match.Groups["owner"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int owner)
            && !Directory.Exists($"/proc/{owner}");
    }

    [GeneratedRegex("^tb(?<owner>[0-9]+)-[0-9]+$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Shape();
}
