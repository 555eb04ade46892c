namespace TunnelBox.DataPath.Xdp;

/// <summary>The frames that a queue of a device begins with. It always has as many, though others: one that leaves by another device is paid for with one of that device's.</summary>
/// <param name="owner">The number of the queue in the arena, from 1.</param>
/// <param name="frames">The frames, as many to receive into as to transmit.</param>
internal sealed class FrameSet(byte owner, ulong[] frames)
{
    /// <summary>Gets the number of the queue in the arena, from 1.</summary>
    public byte Owner => owner;

    /// <summary>Gets how many there are of each kind.</summary>
    public int OfEach => frames.Length / 2;

    /// <summary>Gets those to receive into, offsets in the arena.</summary>
    public ReadOnlySpan<ulong> Receiving => frames.AsSpan(0, OfEach);

    /// <summary>Gets those to transmit.</summary>
    public ReadOnlySpan<ulong> Transmitting => frames.AsSpan(OfEach, OfEach);
}
