using TunnelBox.Linux.Processes;

namespace TunnelBox.Tunnelctl;

/// <summary>The entry point.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        // Many verbs hold keys for a moment.
        _ = ProcessLimits.ForbidDump();
        return (int)CommandLine.Run(arguments);
    }
}
