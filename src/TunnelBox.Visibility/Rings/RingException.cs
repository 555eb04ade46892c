using TunnelBox.Linux.Libc;

namespace TunnelBox.Visibility.Rings;

/// <summary>A trace ring cannot be made or read; the message is one sentence for people.</summary>
/// <param name="message">The sentence.</param>
public sealed class RingException(string message) : Exception(message)
{
    internal static RingException Refused(string call, int error) =>
        new($"The kernel gives no memory for a trace ring ({call}: {Errno.Describe(-error)}); free some memory or ask for fewer bytes with --snap.");

    internal static RingException Foreign(string why) =>
        new($"What the daemon handed over is no trace ring that this tunnelctl reads: {why}; use the tunnelctl of the daemon's version.");
}
