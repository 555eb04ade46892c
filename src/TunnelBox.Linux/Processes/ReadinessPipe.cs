using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace TunnelBox.Linux.Processes;

/// <summary>What a child said about its start.</summary>
public enum ReadinessOutcome
{
    /// <summary>It serves.</summary>
    Ready,

    /// <summary>It could not start, and said why.</summary>
    Failed,

    /// <summary>It closed the pipe without a word: it ended before it could speak.</summary>
    Silent,

    /// <summary>It said nothing in the time it had.</summary>
    TimedOut,
}

/// <summary>A child's report over the readiness pipe.</summary>
/// <param name="Outcome">What happened.</param>
/// <param name="ExitCode">The code the child asks its parent to end with; 0 when ready.</param>
/// <param name="Sentence">The reason of a failure in one sentence, otherwise empty.</param>
public readonly record struct ReadinessReport(ReadinessOutcome Outcome, int ExitCode, string Sentence);

/// <summary>
/// The parent's side of a background start: a pipe on which the child says "ready", or why not. A child that dies closes it,
/// so the parent never waits for the dead.
/// </summary>
public sealed unsafe class ReadinessPipe : IDisposable
{
    internal const byte ReadyMark = (byte)'R';
    internal const byte FailedMark = (byte)'F';
    internal const int MaximumSentence = 16384;

    private int _read;
    private int _write;

    private ReadinessPipe(int read, int write)
    {
        _read = read;
        _write = write;
    }

    /// <summary>Gets the descriptor the child is to inherit; never one of the standard streams.</summary>
    public int WriteDescriptor => _write;

    /// <summary>Makes the pipe; both ends are close-on-exec.</summary>
    /// <returns>The pipe.</returns>
    /// <exception cref="IOException">No descriptor is left.</exception>
    public static ReadinessPipe Create()
    {
        int* ends = stackalloc int[2];
        if (ProcessLibc.Pipe2(ends, ProcessLibc.O_CLOEXEC) < 0)
        {
            throw Descriptors.LastFault("Cannot make a pipe");
        }

        return new ReadinessPipe(AboveStandardStreams(ends[0]), AboveStandardStreams(ends[1]));
    }

    /// <summary>Closes the parent's copy of the child's end; without this the end of the child would go unnoticed.</summary>
    public void CloseWriteEnd() => Close(ref _write);

    /// <summary>Gives the child's end away to a <see cref="ReadinessNotifier"/> of this process, which then closes it.</summary>
    /// <returns>Its descriptor, as the text of a variable.</returns>
    public string DetachWriteEnd()
    {
        string descriptor = _write.ToString();
        _write = -1;
        return descriptor;
    }

    /// <summary>Stops listening: the child is told that nobody waits when it next speaks.</summary>
    public void CloseReadEnd() => Close(ref _read);

    /// <summary>Waits for the child's word.</summary>
    /// <param name="timeout">How long at most.</param>
    /// <returns>What it said.</returns>
    public ReadinessReport Wait(TimeSpan timeout)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] message = new byte[2 + MaximumSentence];
        int length = 0;
        while (length < message.Length)
        {
            TimeSpan left = timeout - Stopwatch.GetElapsedTime(start);
            ProcessLibc.PollEntry entry = new() { Descriptor = _read, Events = ProcessLibc.PollEntry.POLLIN };
            int woken = ProcessLibc.Poll(&entry, 1, (int)Math.Clamp(left.TotalMilliseconds, 0, int.MaxValue));
            if (woken == 0 && Stopwatch.GetElapsedTime(start) >= timeout)
            {
                return new ReadinessReport(ReadinessOutcome.TimedOut, 1, string.Empty);
            }

            if (woken <= 0)
            {
                continue;
            }

            fixed (byte* first = message)
            {
                nint got = ProcessLibc.Read(_read, first + length, (nuint)(message.Length - length));
                if (got < 0 && Marshal.GetLastPInvokeError() == ProcessLibc.EINTR)
                {
                    continue;
                }

                if (got <= 0)
                {
                    break;
                }

                length += (int)got;
            }

            if (message[0] == ReadyMark)
            {
                return new ReadinessReport(ReadinessOutcome.Ready, 0, string.Empty);
            }
        }

        return length >= 2 && message[0] == FailedMark
            ? new ReadinessReport(ReadinessOutcome.Failed, Math.Max(1, (int)message[1]), Encoding.UTF8.GetString(message, 2, length - 2))
            : new ReadinessReport(ReadinessOutcome.Silent, 1, string.Empty);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close(ref _read);
        Close(ref _write);
    }

    private static void Close(ref int descriptor)
    {
        if (descriptor >= 0)
        {
            _ = ProcessLibc.Close(descriptor);
            descriptor = -1;
        }
    }

    // Started with a standard stream closed, a process gets that number back for its next descriptor; the child's streams would then overwrite the pipe.
    private static int AboveStandardStreams(int descriptor)
    {
        if (descriptor > 2)
        {
            return descriptor;
        }

        int moved = ProcessLibc.Fcntl(descriptor, ProcessLibc.F_DUPFD_CLOEXEC, 3);
        if (moved < 0)
        {
            throw Descriptors.LastFault("Cannot move a pipe");
        }

        _ = ProcessLibc.Close(descriptor);
        return moved;
    }
}
