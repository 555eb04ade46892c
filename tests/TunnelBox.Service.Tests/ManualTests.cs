using System.Diagnostics;

namespace TunnelBox.Service.Tests;

/// <summary>The manual pages in configs/man are those that the programs' own words make, and man reads them without a complaint.</summary>
public sealed class ManualTests
{
    [Fact]
    public void Pages_say_what_the_programs_say()
    {
        foreach ((string name, string text) in Manuals.All)
        {
            string path = Path.Combine(Folder(), name);
            if (Environment.GetEnvironmentVariable("TB_REGENERATE") == "1")
            {
                File.WriteAllText(path, text);
            }

            Assert.True(text == File.ReadAllText(path), $"{path} is not what help and settings make: run this test with TB_REGENERATE=1.");
        }
    }

    [Theory]
    [InlineData("tunnelctl.8")]
    [InlineData("tunnelbox.8")]
    [InlineData("tunnelbox.json.5")]
    public void Man_formats_the_pages_without_warnings(string name)
    {
        (int code, string output) = Run("mandoc", "-T", "lint", "-W", "warning", Path.Combine(Folder(), name));
        Assert.True(code == 0, output);
    }

    private static (int Code, string Output) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    private static string Folder()
    {
        DirectoryInfo? here = new(AppContext.BaseDirectory);
        while (here is not null && !File.Exists(Path.Combine(here.FullName, "TunnelBox.sln")))
        {
            here = here.Parent;
        }

        return Path.Combine(here?.FullName ?? throw new UnreachableException("The tests run inside the repository."), "configs/man");
    }
}
