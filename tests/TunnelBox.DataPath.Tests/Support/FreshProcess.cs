using System.Diagnostics;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Runs tests of this assembly again in a process of their own, where the runtime starts anew.</summary>
internal static class FreshProcess
{
    /// <summary>Runs tests.</summary>
    /// <param name="filter">Parts of the tests' full names.</param>
    /// <param name="environment">Variables of the child.</param>
    /// <returns>Whether every test passed, and what the runner wrote.</returns>
    public static async Task<(bool Passed, string Output)> Run(string[] filter, params (string Name, string Value)[] environment)
    {
        ProcessStartInfo start = new("dotnet")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "vstest", typeof(FreshProcess).Assembly.Location, "--TestCaseFilter:" + string.Join('|', filter.Select(name => "FullyQualifiedName~" + name)),
            },
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync();
        string output = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        return (child.ExitCode == 0 && output.Contains("Passed", StringComparison.Ordinal), output + await errors);
    }
}
