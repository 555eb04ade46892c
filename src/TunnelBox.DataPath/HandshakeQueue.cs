using TunnelBox.Protocol;

namespace TunnelBox.DataPath;

/// <summary>
/// The bounded ring between workers and the thread that does handshakes. It also tells whether the tunnel is under load:
/// at least an eighth full now, or within the last second (Linux drivers/net/wireguard/receive.c).
/// </summary>
public sealed class HandshakeQueue
{
    private const int Slot = InitiationMessage.Size;
    private readonly Lock _gate = new();
    private readonly byte[] _bytes = new byte[Limits.HandshakeQueueLength * Slot];
    private readonly int[] _lengths = new int[Limits.HandshakeQueueLength];
    private readonly EndpointAddress[] _from = new EndpointAddress[Limits.HandshakeQueueLength];
    private readonly SourceAddress[] _to = new SourceAddress[Limits.HandshakeQueueLength];
    private int _head;
    private int _count;
    private long _lastUnderLoad = long.MinValue;

    /// <summary>Gets how many messages wait.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Tells whether handshakes must prove their address first.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <returns>Whether the tunnel is, or was within the last second, under load.</returns>
    public bool IsUnderLoad(long now)
    {
        if (Count >= Limits.UnderLoadQueueLength)
        {
            Volatile.Write(ref _lastUnderLoad, now);
            return true;
        }

        long last = Volatile.Read(ref _lastUnderLoad);
        return last != long.MinValue && now - last < Limits.UnderLoadHold;
    }

    /// <summary>Adds a copy of a message.</summary>
    /// <param name="message">At most 148 bytes.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="to">Where it arrived.</param>
    /// <returns>False when the ring is full.</returns>
    public bool TryAdd(ReadOnlySpan<byte> message, in EndpointAddress from, in SourceAddress to)
    {
        lock (_gate)
        {
            if (_count == Limits.HandshakeQueueLength)
            {
                return false;
            }

            int slot = (_head + _count) % Limits.HandshakeQueueLength;
            message.CopyTo(_bytes.AsSpan(slot * Slot, Slot));
            _lengths[slot] = message.Length;
            _from[slot] = from;
            _to[slot] = to;
            Volatile.Write(ref _count, _count + 1);
            return true;
        }
    }

    /// <summary>Takes the oldest message.</summary>
    /// <param name="message">At least 148 bytes to copy it to.</param>
    /// <param name="length">Its length.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="to">Where it arrived.</param>
    /// <returns>False when none waits.</returns>
    public bool TryTake(Span<byte> message, out int length, out EndpointAddress from, out SourceAddress to)
    {
        lock (_gate)
        {
            if (_count == 0)
            {
                length = 0;
                from = default;
                to = default;
                return false;
            }

            length = _lengths[_head];
            _bytes.AsSpan(_head * Slot, length).CopyTo(message);
            from = _from[_head];
            to = _to[_head];
            _head = (_head + 1) % Limits.HandshakeQueueLength;
            Volatile.Write(ref _count, _count - 1);
            return true;
        }
    }
}
