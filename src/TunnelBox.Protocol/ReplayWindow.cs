using System.Runtime.InteropServices;

namespace TunnelBox.Protocol;

/// <summary>
/// Remembers which counters of one session have arrived, so that no data packet is accepted twice (WireGuard paper,
/// section 5.4.6; the bitmap is that of RFC 6479). Counters may arrive in any order within <see cref="Size"/> of the
/// newest. Made for one caller at a time; never allocates after construction.
/// </summary>
/// <remarks>
/// The bitmap is a ring of 64-bit blocks, and moving forward clears whole blocks instead of shifting bits. The block that
/// holds the newest counter is only partly filled, which is why one block's worth of counters is not usable as window.
/// </remarks>
public sealed class ReplayWindow
{
    /// <summary>How far, in counters, a packet may lag behind the newest one: 8,128.</summary>
    public const int Size = Limits.ReplayWindowSize;

    private const int BitsPerBlock = 64;
    private const int BlockCount = (Size / BitsPerBlock) + 1;
    private const int BlockMask = BlockCount - 1;

    /// <summary>Bytes of <see cref="Export"/>.</summary>
    internal const int StateSize = 8 + (8 * BlockCount);

    private readonly ulong[] _blocks = new ulong[BlockCount];
    private ulong _newest;

    /// <summary>Accepts a counter once. Call only after the packet's tag was found right.</summary>
    /// <param name="counter">The packet's counter, in host order.</param>
    /// <returns>
    /// True the first time; false for a counter that was accepted before, that lags more than <see cref="Size"/> behind,
    /// or that is not below REJECT_AFTER_MESSAGES (2^64 − 2^13 − 1).
    /// </returns>
    public bool Accept(ulong counter)
    {
        if (counter >= Limits.RejectAfterMessages)
        {
            return false;
        }

        ulong block = counter / BitsPerBlock;
        if (counter > _newest)
        {
            Advance(block);
            _newest = counter;
        }
        else if (_newest - counter > Size)
        {
            return false;
        }

        ulong bit = 1UL << (int)(counter % BitsPerBlock);
        ref ulong cell = ref _blocks[(int)block & BlockMask];
        if ((cell & bit) != 0)
        {
            return false;
        }

        cell |= bit;
        return true;
    }

    /// <summary>Tells what <see cref="Accept"/> would answer, without remembering the counter.</summary>
    /// <param name="counter">The packet's counter, in host order.</param>
    /// <returns>Whether the counter is still acceptable.</returns>
    public bool WouldAccept(ulong counter)
    {
        if (counter >= Limits.RejectAfterMessages)
        {
            return false;
        }

        if (counter > _newest)
        {
            return true;
        }

        ulong bit = 1UL << (int)(counter % BitsPerBlock);
        return _newest - counter <= Size && (_blocks[(int)(counter / BitsPerBlock) & BlockMask] & bit) == 0;
    }

    /// <summary>Forgets every counter, as if no packet had arrived.</summary>
    public void Reset()
    {
        Array.Clear(_blocks);
        _newest = 0;
    }

    /// <summary>Writes what was seen.</summary>
    /// <param name="state"><see cref="StateSize"/> bytes.</param>
    internal void Export(Span<byte> state)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(state);
        words[0] = _newest;
        _blocks.CopyTo(words[1..]);
    }

    /// <summary>Takes up what <see cref="Export"/> has written.</summary>
    /// <param name="state"><see cref="StateSize"/> bytes.</param>
    internal void Import(ReadOnlySpan<byte> state)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(state);
        _newest = words[0];
        words[1..].CopyTo(_blocks);
    }

    private void Advance(ulong block)
    {
        ulong current = _newest / BitsPerBlock;
        ulong steps = block - current;
        if (steps >= BlockCount)
        {
            Array.Clear(_blocks);
            return;
        }

        for (ulong step = 1; step <= steps; step++)
        {
            _blocks[(int)(current + step) & BlockMask] = 0;
        }
    }
}
