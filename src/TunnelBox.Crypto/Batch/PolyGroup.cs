using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// Poly1305 of up to one lane count of packets side by side. Lanes end together: a shorter packet begins later and reads
/// zeros until then, which leave its h at zero. Every decision here follows lengths, which are public.
/// </summary>
/// <typeparam name="TKernels">The vector width.</typeparam>
internal unsafe struct PolyGroup<TKernels>
    where TKernels : struct, IBatchKernels
{
    /// <summary>Rows from which r² pays, and from which r³ and r⁴ do.</summary>
    private const int RowsForSquare = 2;
    private const int RowsForFourth = 8;

    private const ulong BeyondBit = 1UL << 24;
    private const int Most = 8;

    private readonly byte* _state;
    private readonly byte* _staged;
    private readonly byte* _zero;
    private readonly byte* _tags;
    private readonly nint* _rows;
    private readonly nint* _message;
    private readonly long* _first;
    private readonly ulong* _lengths;
    private readonly int* _bytes;
    private readonly int* _start;
    private readonly int* _absent;
    private int _count;

    public PolyGroup(BatchScratch scratch)
    {
        _state = scratch.State;
        _staged = scratch.Staged;
        _zero = scratch.Zero;
        _tags = scratch.Tags;
        _rows = (nint*)scratch.Group;
        _message = _rows + Most;
        _first = (long*)(_message + Most);
        _lengths = (ulong*)(_first + Most);
        _bytes = (int*)(_lengths + 2 * Most);
        _start = _bytes + Most;
        _absent = _start + Most;
    }

    /// <summary>Gives the tag of a lane.</summary>
    /// <param name="tags">What <see cref="Compute"/> gave.</param>
    /// <param name="lane">The lane.</param>
    /// <returns>16 bytes.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Tag(byte* tags, int lane)
        => Vector128.Load(tags + (lane & 1) * TKernels.VectorBytes + (lane >> 1) * 16);

    /// <summary>Begins a group.</summary>
    public void Begin() => _count = 0;

    /// <summary>Adds a packet.</summary>
    /// <param name="message">What is authenticated before the block of lengths, padded with zeros to 16 bytes at its end.</param>
    /// <param name="length">Bytes of it.</param>
    /// <param name="associated">Bytes of associated data, for the block of lengths.</param>
    /// <param name="ciphertext">Bytes of ciphertext, for the block of lengths.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(byte* message, int length, ulong associated, ulong ciphertext)
    {
        int l = _count++;
        _message[l] = (nint)message;
        _bytes[l] = length;
        _lengths[l] = associated;
        _lengths[TKernels.PolyLanes + l] = ciphertext;
    }

    /// <summary>Computes the tags of the packets added.</summary>
    /// <param name="keyRows">Their key rows, 64 bytes each, in the same order.</param>
    /// <returns>The tags, for <see cref="Tag"/>.</returns>
    public byte* Compute(byte* keyRows)
    {
        // Idle lanes repeat the first one.
        for (int l = _count; l < TKernels.PolyLanes; l++)
        {
            _message[l] = _message[0];
            _bytes[l] = _bytes[0];
            _lengths[l] = _lengths[0];
            _lengths[TKernels.PolyLanes + l] = _lengths[TKernels.PolyLanes];
        }

        int rows = 0;
        for (int l = 0; l < TKernels.PolyLanes; l++)
        {
            rows = Math.Max(rows, (_bytes[l] + 63) >> 6);
        }

        for (int l = 0; l < TKernels.PolyLanes; l++)
        {
            int blocks = (_bytes[l] + 15) >> 4;
            int own = (blocks + 3) >> 2;
            _start[l] = rows - own;
            _absent[l] = 4 * own - blocks;
        }

        TKernels.PolyInit(_state, keyRows);
        if (rows >= RowsForSquare)
        {
            TKernels.PolySquare(_state);
            if (rows >= RowsForFourth)
            {
                TKernels.PolyFourth(_state);
            }
        }

        for (int row = 0; row < rows;)
        {
            row += Advance(row, rows);
        }

        TKernels.PolyFinal(_state, _lengths, _tags);
        return _tags;
    }

    /// <summary>Takes one special row, or all rows until the next special one.</summary>
    private readonly int Advance(int row, int rows)
    {
        int next = rows;
        int block = 4;
        bool head = false;
        bool staged = false;
        ulong* beyond = (ulong*)(_state + PolySlots.Beyond * TKernels.VectorBytes);
        for (int l = 0; l < TKernels.PolyLanes; l++)
        {
            int start = _start[l];
            if (start > row)
            {
                _rows[l] = (nint)_zero;
                beyond[l] = 0;
                _first[l] = 4;
                next = Math.Min(next, start);
                continue;
            }

            beyond[l] = BeyondBit;
            int absent = start == row ? _absent[l] : 0;
            bool partial = (_bytes[l] & 15) != 0;
            int from = 64 * (row - start) - 16 * _absent[l];
            _first[l] = absent;
            block = Math.Min(block, absent);
            _rows[l] = _message[l] + from;
            if (absent != 0 || (partial && row == rows - 1))
            {
                byte* own = _staged + 64 * l;
                TKernels.Stage(own, (byte*)_message[l] + from, Math.Max(0, -from), Math.Min(64, _bytes[l] - from));
                _rows[l] = (nint)own;
                head |= absent != 0;
                staged = true;
            }
            else if (partial)
            {
                next = Math.Min(next, rows - 1);
            }
        }

        if (head)
        {
            TKernels.PolyHead(_state, _rows, _first, block);
            return 1;
        }

        int count = staged ? 1 : next - row;
        if (rows < RowsForSquare)
        {
            TKernels.PolyRows1(_state, _rows, count);
        }
        else if (rows < RowsForFourth)
        {
            TKernels.PolyRows2(_state, _rows, count);
        }
        else
        {
            TKernels.PolyRows4(_state, _rows, count);
        }

        return count;
    }
}
