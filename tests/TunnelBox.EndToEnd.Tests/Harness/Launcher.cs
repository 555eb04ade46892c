using System.Collections.Concurrent;
using System.Diagnostics;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>Starts every child from one thread that lives as long as the process.</summary>
/// <remarks>
/// PR_SET_PDEATHSIG fires when the <em>thread</em> that forked dies, and pool threads retire: a child started from one would be
/// killed in the middle of a test.
/// </remarks>
internal static class Launcher
{
    private static readonly BlockingCollection<(Process Process, TaskCompletionSource Started)> s_requests = [];

    static Launcher()
    {
        new Thread(Run) { IsBackground = true, Name = "launcher" }.Start();
    }

    /// <summary>Starts <paramref name="argv"/> so that it dies (SIGKILL) with this process.</summary>
    public static async Task<Process> StartAsync(IReadOnlyList<string> argv, IReadOnlyDictionary<string, string?>? environment)
    {
        var start = new ProcessStartInfo("setpriv")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (string word in (string[])["--pdeathsig", "KILL", "--", .. argv])
        {
            start.ArgumentList.Add(word);
        }

        foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

        var process = new Process { StartInfo = start };
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        s_requests.Add((process, started));
        await started.Task;
        return process;
    }

    private static void Run()
    {
        foreach ((Process process, TaskCompletionSource started) in s_requests.GetConsumingEnumerable())
        {
            try
            {
                process.Start();
                started.SetResult();
            }
            catch (Exception fault)
            {
                started.SetException(fault);
            }
        }
    }
}
