using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Where the frames of one queue are, and what the kernel dropped there since it was bound. All places together give
/// <see cref="Total"/>: what is in none of ours, the kernel or the card is working on.
/// </summary>
/// <param name="Queue">The device's queue.</param>
/// <param name="Mode">How frames get to us.</param>
/// <param name="Worker">The worker that serves it.</param>
/// <param name="Total">All its frames.</param>
/// <param name="Free">Free, to be filled and transmitted.</param>
/// <param name="Held">Handed to the worker, or filled and not yet shown to the kernel.</param>
/// <param name="Fill">In the fill ring, for the kernel to receive into.</param>
/// <param name="Received">In the RX ring, waiting for the worker.</param>
/// <param name="Transmit">In the TX ring, waiting for the kernel.</param>
/// <param name="Completed">In the completion ring: transmitted, not yet taken back.</param>
public readonly record struct XdpQueueState(
    int Queue, XdpMode Mode, int Worker, int Total, int Free, int Held, int Fill, int Received, int Transmit, int Completed)
{
    /// <summary>Gets the frames that the kernel or the card is working on; 0 in copy mode when the device is idle, and never less.</summary>
    public int Away => Math.Max(Total - InPlaces, 0);

    /// <summary>Gets the frames that are in one of our places.</summary>
    internal int InPlaces => Free + Held + Fill + Received + Transmit + Completed;

    /// <summary>Gets why the mode is no better one, a sentence's end; null where it is the best.</summary>
    public string? ModeReason { get; init; }

    /// <summary>Gets how many frames were transmitted from where they had been received: no packet was copied.</summary>
    public long Direct { get; init; }

    /// <summary>Gets how many frames packets were copied into to be transmitted.</summary>
    public long Copied { get; init; }

    /// <summary>Gets what the kernel counted at the socket (XDP_STATISTICS).</summary>
    public xdp_statistics Statistics { get; init; }
}
