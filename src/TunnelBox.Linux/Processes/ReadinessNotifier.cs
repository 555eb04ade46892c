using System.Text;

namespace TunnelBox.Linux.Processes;

/// <summary>The child's side of a <see cref="ReadinessPipe"/>: says one thing, once.</summary>
public sealed class ReadinessNotifier : IDisposable
{
    private int _descriptor;

    private ReadinessNotifier(int descriptor) => _descriptor = descriptor;

    /// <summary>Takes over the inherited end of the pipe.</summary>
    /// <param name="descriptor">Its number, as text from the environment.</param>
    /// <returns>The notifier, or null where the text names no open descriptor: then nobody waits.</returns>
    public static ReadinessNotifier? Open(string? descriptor) =>
        int.TryParse(descriptor, out int number) && number > 2 && Descriptors.MarkCloseOnExec(number) ? new ReadinessNotifier(number) : null;

    /// <summary>Says that the process serves.</summary>
    /// <returns>Whether somebody was there to hear it; false means that the parent has gone.</returns>
    public bool Ready() => Say([ReadinessPipe.ReadyMark]);

    /// <summary>Says that the process cannot start.</summary>
    /// <param name="exitCode">The code the parent is to end with, 1 to 255.</param>
    /// <param name="sentence">Why, in one sentence.</param>
    /// <returns>Whether somebody was there to hear it.</returns>
    public bool Failed(int exitCode, string sentence)
    {
        byte[] text = Encoding.UTF8.GetBytes(sentence);
        int length = Math.Min(text.Length, ReadinessPipe.MaximumSentence);
        return Say([ReadinessPipe.FailedMark, (byte)Math.Clamp(exitCode, 1, 255), .. text.AsSpan(0, length)]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_descriptor >= 0)
        {
            _ = ProcessLibc.Close(_descriptor);
            _descriptor = -1;
        }
    }

    private bool Say(ReadOnlySpan<byte> message)
    {
        // The runtime ignores SIGPIPE, so a parent that has gone shows as EPIPE.
        bool heard = _descriptor >= 0 && Descriptors.Write(_descriptor, message) == message.Length;
        Dispose();
        return heard;
    }
}
