namespace TunnelBox.Visibility.Rings;

/// <summary>What a reader wants: the writer leaves the rest out, so that the ring holds more of what matters.</summary>
/// <param name="DropsOnly">Only what was dropped.</param>
/// <param name="Peer">Only this peer's, by the first eight bytes of its key; 0 for all.</param>
/// <param name="Reason">Only what was dropped for this; <see cref="DropReason.None"/> for all.</param>
public readonly record struct RingFilter(bool DropsOnly = false, ulong Peer = 0, DropReason Reason = DropReason.None)
{
    /// <summary>Tells whether a packet is wanted.</summary>
    /// <param name="peer">Whose it is; 0 for unknown.</param>
    /// <param name="reason">Why it was dropped, or <see cref="DropReason.None"/>.</param>
    /// <returns>Whether to write it.</returns>
    public bool Wants(ulong peer, DropReason reason) =>
        (!DropsOnly || reason != DropReason.None) && (Peer == 0 || Peer == peer) && (Reason == DropReason.None || Reason == reason);
}
