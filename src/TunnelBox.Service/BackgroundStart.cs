using System.Text;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Service;

/// <summary>
/// Starts this program again in a session of its own and waits until that one serves. This process opens nothing, so there
/// is nothing to hand over and nothing to leave behind.
/// </summary>
public static class BackgroundStart
{
    /// <summary>Names the descriptor of the readiness pipe in the child's environment.</summary>
    public const string ReadinessVariable = "TUNNELBOX_READY_FD";

    /// <summary>Makes a start a foreground one when it is "1", as in wireguard-go.</summary>
    public const string ForegroundVariable = "WG_PROCESS_FOREGROUND";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Starts the child and waits for its word.</summary>
    /// <param name="interfaceName">The interface, for messages.</param>
    /// <param name="quiet">Whether the child's standard output and error are /dev/null.</param>
    /// <param name="descriptors">Descriptors the child inherits.</param>
    /// <exception cref="StartException">The child could not start, or does not answer.</exception>
    public static void Run(string interfaceName, bool quiet, IReadOnlyList<int> descriptors)
    {
        ReadinessReport report;
        ChildProcess child;
        try
        {
            using ReadinessPipe pipe = ReadinessPipe.Create();
            child = ChildProcess.Start(new ChildProcessOptions(Environment.ProcessPath ?? "/proc/self/exe", OwnArguments())
            {
                Environment = new Dictionary<string, string?>
                {
                    [ReadinessVariable] = pipe.WriteDescriptor.ToString(),
                    [ForegroundVariable] = "1",
                },
                NewSession = true,
                Quiet = quiet,
                Descriptors = [pipe.WriteDescriptor, .. descriptors.Where(Descriptors.IsOpen)],
            });
            pipe.CloseWriteEnd();
            report = pipe.Wait(s_patience);
        }
        catch (IOException fault)
        {
            throw new StartException(fault.Message, fault);
        }

        switch (report.Outcome)
        {
            case ReadinessOutcome.Ready:
                return;
            case ReadinessOutcome.Failed:
                _ = child.Wait();
                throw new StartException(report.Sentence, report.ExitCode);
            case ReadinessOutcome.Silent:
                throw new StartException(Ended(child.Wait(), interfaceName));
            default:
                child.Kill();
                _ = child.Wait();
                throw new StartException(
                    $"The daemon was not ready after {s_patience.TotalSeconds} s and was ended: tunnelbox -f {interfaceName} shows where it stays.");
        }
    }

    private static string Ended(int status, string interfaceName) => status > 128
        ? $"The daemon was ended by signal {status - 128} before it was ready: tunnelbox -f {interfaceName} shows why."
        : $"The daemon ended with code {status} before it was ready: tunnelbox -f {interfaceName} shows why.";

    // As the kernel has them: the framework's list lacks the program's own name, and under "dotnet tunnelbox.dll" the library's.
    private static string[] OwnArguments() =>
        Encoding.UTF8.GetString(File.ReadAllBytes("/proc/self/cmdline")).TrimEnd('\0').Split('\0');
}
