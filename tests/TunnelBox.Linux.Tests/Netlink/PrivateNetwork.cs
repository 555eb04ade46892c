using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Tests.Netlink;

/// <summary>Runs a test body on a thread in a network namespace of its own, which vanishes with the thread.</summary>
internal static partial class PrivateNetwork
{
    private const int CLONE_NEWNET = 0x40000000;

    public static void Run(Action body)
    {
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                Assert.True(Unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET) was refused: run the tests that need root as root");
                body();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        Assert.True(thread.Join(60_000), "the test body did not end within 60 s");
        failure?.Throw();
    }

    /// <summary>Runs ip(8) in the caller's namespace and gives what it prints.</summary>
    public static string Ip(string arguments) => Program("ip", arguments, null);

    /// <summary>Runs another program in the caller's namespace and gives what it prints.</summary>
    public static string Run(string name, string arguments) => Program(name, arguments, null);

    /// <summary>Has nft(8) replace the rules of the caller's namespace.</summary>
    public static void Nft(string rules) => Program("nft", "-f -", "flush ruleset\n" + rules);

    private static string Program(string name, string arguments, string? input)
    {
        using Process program = Process.Start(new ProcessStartInfo(name, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        program.StandardInput.Write(input);
        program.StandardInput.Close();
        string output = program.StandardOutput.ReadToEnd(), errors = program.StandardError.ReadToEnd();
        program.WaitForExit();
        Assert.True(program.ExitCode == 0, $"{name} {arguments} ended with {program.ExitCode}: {errors}{input}");
        return output;
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);
}
