using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <summary>An engine's working memory: one aligned block, laid out once.</summary>
internal sealed unsafe class BatchScratch : IDisposable
{
    /// <summary>Packets a sub-batch: enough to fill every lane of the widest kernels, few enough to stay in the nearest cache.</summary>
    public const int SubBatch = 16;

    /// <summary>Packets that are sorted together.</summary>
    public const int Slice = 64;

    /// <summary>Zero bytes that lanes read before their packet begins: the longest packet.</summary>
    private const int Zeros = 65536 + 64;

    private const int Vector = 64;

    /// <summary>Bytes of <see cref="Tags"/>, which stand behind <see cref="Trash"/>.</summary>
    public const int TagBytes = 2 * Vector;

    private byte* _memory;

    public BatchScratch()
    {
        int lanes = Align(LaneBuffer.Size);
        int columns = 9 * Vector;
        int state = PolySlots.Count * Vector;
        int rows = SubBatch * 64;
        int size = Zeros + lanes + 2 * columns + state + 4 * rows + 64 + 2 * Vector + 2 * Slice * 8 + 2048;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)size, 4096);
        NativeMemory.Clear(_memory, (nuint)size);
        byte* next = _memory;
        Zero = Take(ref next, Zeros);
        Lanes = Take(ref next, lanes);
        Columns = Take(ref next, columns);
        MixedColumns = Take(ref next, columns);
        State = Take(ref next, state);
        KeyRows = Take(ref next, rows);
        Tails = Take(ref next, rows);
        Ahead = Take(ref next, rows);
        Staged = Take(ref next, rows);
        Trash = Take(ref next, 64);
        Tags = Take(ref next, 2 * Vector);
        Order = (AeadJob**)Take(ref next, Slice * 8);
        Group = next;
    }

    /// <summary>Gets zero bytes, never written.</summary>
    public byte* Zero { get; }

    /// <summary>Gets the memory of the lane buffer.</summary>
    public byte* Lanes { get; }

    /// <summary>Gets the key columns of a burst with one key, and the column of nonce prefixes.</summary>
    public byte* Columns { get; }

    /// <summary>Gets the key columns of one pass with several keys, and the column of nonce prefixes.</summary>
    public byte* MixedColumns { get; }

    /// <summary>Gets a group's Poly1305 numbers (<see cref="PolySlots"/>).</summary>
    public byte* State { get; }

    /// <summary>Gets the first block of every packet's key stream, 64 bytes a packet.</summary>
    public byte* KeyRows { get; }

    /// <summary>Gets the last block of every packet's key stream, where that block is not whole.</summary>
    public byte* Tails { get; }

    /// <summary>Gets key stream that was computed before its packet was known to be genuine.</summary>
    public byte* Ahead { get; }

    /// <summary>Gets rows of ciphertext with zeros around, one a Poly1305 lane.</summary>
    public byte* Staged { get; }

    /// <summary>Gets 64 bytes that idle lanes write.</summary>
    public byte* Trash { get; }

    /// <summary>Gets a group's tags.</summary>
    public byte* Tags { get; }

    /// <summary>Gets the packets of a slice by length.</summary>
    public AeadJob** Order { get; }

    /// <summary>Gets the columns of a group: addresses, first blocks and lengths.</summary>
    public byte* Group { get; }

    public void Dispose()
    {
        if (_memory != null)
        {
            NativeMemory.AlignedFree(_memory);
            _memory = null;
        }
    }

    /// <summary>Zeroes bytes that depend on keys.</summary>
    /// <param name="first">First byte, aligned to 64.</param>
    /// <param name="count">Bytes, a multiple of 64.</param>
    public static void Wipe(byte* first, int count)
    {
        // A short loop of wide stores: a call to memset costs more than these few lines are worth.
        for (byte* end = first + count; first < end; first += 64)
        {
            Vector512.Store(Vector512<byte>.Zero, first);
        }
    }

    private static int Align(int bytes) => (bytes + 63) & ~63;

    private static byte* Take(ref byte* next, int bytes)
    {
        byte* taken = next;
        next += Align(bytes);
        return taken;
    }
}
