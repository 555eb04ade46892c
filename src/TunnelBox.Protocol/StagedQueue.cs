using System.Buffers;

namespace TunnelBox.Protocol;

/// <summary>
/// The packets of one peer that wait for a session: at most <see cref="Limits.StagedPackets"/>, the oldest leaves first
/// when it overflows (as in the Linux driver, send.c). Packets are copied in and out, since bursts do not outlive a pass.
/// </summary>
public sealed class StagedQueue
{
    private readonly Lock _gate = new();
    private (byte[] Bytes, int Length)[] _ring = [];
    private int _head;
    private int _count;

    /// <summary>Gets how many packets wait.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Adds a copy of a packet.</summary>
    /// <param name="packet">The inner packet.</param>
    /// <returns>False when the oldest packet had to leave for it.</returns>
    public bool Add(ReadOnlySpan<byte> packet)
    {
        byte[] bytes = ArrayPool<byte>.Shared.Rent(Math.Max(packet.Length, 1));
        packet.CopyTo(bytes);
        lock (_gate)
        {
            if (_ring.Length == 0)
            {
                _ring = new (byte[], int)[Limits.StagedPackets];
            }

            bool roomy = _count < _ring.Length;
            if (!roomy)
            {
                ArrayPool<byte>.Shared.Return(_ring[_head].Bytes);
                _head = (_head + 1) % _ring.Length;
                _count--;
            }

            _ring[(_head + _count) % _ring.Length] = (bytes, packet.Length);
            Volatile.Write(ref _count, _count + 1);
            return roomy;
        }
    }

    /// <summary>Takes the oldest packet, if it fits.</summary>
    /// <param name="destination">Where to copy it.</param>
    /// <param name="length">Its length.</param>
    /// <returns>False when nothing waits, or when the oldest packet does not fit.</returns>
    public bool TryTake(Span<byte> destination, out int length)
    {
        lock (_gate)
        {
            length = 0;
            if (_count == 0 || _ring[_head].Length > destination.Length)
            {
                return false;
            }

            (byte[] bytes, length) = _ring[_head];
            bytes.AsSpan(0, length).CopyTo(destination);
            Forget();
            return true;
        }
    }

    /// <summary>Drops everything that waits.</summary>
    /// <param name="bytes">The bytes of what was dropped.</param>
    /// <returns>How many packets were dropped.</returns>
    public int Clear(out long bytes)
    {
        lock (_gate)
        {
            int dropped = _count;
            bytes = 0;
            while (_count > 0)
            {
                bytes += _ring[_head].Length;
                Forget();
            }

            _ring = [];
            _head = 0;
            return dropped;
        }
    }

    private void Forget()
    {
        (byte[] bytes, int length) = _ring[_head];
        _ring[_head] = default;
        // Inner packets are the user's plaintext: they do not linger in a shared pool.
        bytes.AsSpan(0, length).Clear();
        ArrayPool<byte>.Shared.Return(bytes);
        _head = (_head + 1) % _ring.Length;
        Volatile.Write(ref _count, _count - 1);
    }
}
