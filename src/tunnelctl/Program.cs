namespace TunnelBox.Tunnelctl;

/// <summary>The entry point.</summary>
internal static class Program
{
    private static int Main(string[] arguments) => (int)CommandLine.Run(arguments);
}
