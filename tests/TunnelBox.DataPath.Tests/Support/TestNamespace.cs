using System.Diagnostics;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>A network namespace for one test, removed with it. Needs root, and says so.</summary>
internal sealed class TestNamespace : IDisposable
{
    private static int _serial;

    public TestNamespace()
    {
        Assert.True(Environment.IsPrivilegedProcess, "this test makes a network namespace: run it as root");
        Name = $"tbports{Environment.ProcessId}-{Interlocked.Increment(ref _serial)}";
        Run("ip", "netns", "add", Name);
        Descriptor = FileDescriptor.Open("/var/run/netns/" + Name, Definitions.O_RDONLY, out int error)
            ?? throw new InvalidOperationException(Errno.Describe(error));
        Ip("link", "set", "lo", "up");
    }

    public string Name { get; }

    public FileDescriptor Descriptor { get; }

    /// <summary>Runs ip(8) inside.</summary>
    public string Ip(params string[] arguments) => Run("ip", ["-n", Name, .. arguments]);

    /// <summary>Runs a program inside.</summary>
    public string Exec(params string[] arguments) => Run("ip", ["netns", "exec", Name, .. arguments]);

    /// <summary>Runs code on a thread of its own that lives inside; the code must not queue pool work.</summary>
    public void Inside(Action action)
    {
        Exception? problem = null;
        var thread = new Thread(() =>
        {
            try
            {
                Assert.Equal(0, LibC.setns(Descriptor.Value, Definitions.CLONE_NEWNET));
                action();
            }
            catch (Exception e)
            {
                problem = e;
            }
        });
        thread.Start();
        thread.Join();
        if (problem is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(problem);
        }
    }

    public void Dispose()
    {
        Descriptor.Dispose();
        Run("ip", "netns", "delete", Name);
    }

    private static string Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(20000), $"{program} {string.Join(' ', arguments)} hangs");
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {errors.Result}");
        return output;
    }
}
