using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// ChaCha20 blocks waiting for a pass, one a lane, as columns: block counter, nonce, key, source and destination. The
/// kernels read N lanes at a time. Columns are written ahead of the passes, so that no load waits for a fresh store.
/// </summary>
internal unsafe struct LaneBuffer
{
    /// <summary>Lanes that wait at most: a multiple of every kernel's lane count.</summary>
    public const int Capacity = 128;

    /// <summary>Elements a column; the slack behind <see cref="Capacity"/> takes what eight-lane stores write too much.</summary>
    public const int Stride = Capacity + 16;

    /// <summary>Bytes of all columns.</summary>
    public const int Size = Stride * (3 * sizeof(uint) + 3 * 8);

    /// <summary>Block counters, then low and high words of the packet counters.</summary>
    public uint* Words;

    /// <summary>Sources, then destinations: 64 readable, respectively writable, bytes a lane.</summary>
    public nint* Rows;

    /// <summary>Key addresses.</summary>
    public nint* Keys;

    /// <summary>Lanes that wait.</summary>
    public int Count;

    /// <summary>Lays the columns out.</summary>
    /// <param name="memory"><see cref="Size"/> bytes, aligned to 64.</param>
    public LaneBuffer(byte* memory)
    {
        Rows = (nint*)memory;
        Keys = Rows + 2 * Stride;
        Words = (uint*)(Keys + Stride);
        Count = 0;
    }

    /// <summary>Adds one block.</summary>
    /// <param name="job">The packet: its key and counter.</param>
    /// <param name="block">Block counter.</param>
    /// <param name="source">64 bytes to add the key stream to.</param>
    /// <param name="destination">64 bytes to write.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(AeadJob* job, uint block, nint source, nint destination)
    {
        int at = Count++;
        ulong counter = job->Counter;
        Words[at] = block;
        Words[Stride + at] = (uint)counter;
        Words[2 * Stride + at] = (uint)(counter >> 32);
        Keys[at] = job->Key.Address;
        Rows[at] = source;
        Rows[Stride + at] = destination;
    }

    /// <summary>Adds successive blocks of one packet.</summary>
    /// <param name="job">The packet.</param>
    /// <param name="block">Counter of the first block.</param>
    /// <param name="source">First byte to read.</param>
    /// <param name="destination">First byte to write.</param>
    /// <param name="count">Blocks; must fit.</param>
    public void AddRun(AeadJob* job, uint block, nint source, nint destination, int count)
    {
        ulong counter = job->Counter;
        Vector256<uint> blocks = Vector256.Create(block) + Vector256<uint>.Indices;
        Vector256<uint> low = Vector256.Create((uint)counter);
        Vector256<uint> high = Vector256.Create((uint)(counter >> 32));
        Vector256<long> key = Vector256.Create((long)job->Key.Address);
        Vector256<long> from = Vector256.Create((long)source) + (Vector256<long>.Indices << 6);
        Vector256<long> to = Vector256.Create((long)destination) + (Vector256<long>.Indices << 6);
        Vector256<long> half = Vector256.Create(256L);
        int end = Count + count;
        for (int at = Count; at < end; at += 8)
        {
            Vector256.Store(blocks, Words + at);
            Vector256.Store(low, Words + Stride + at);
            Vector256.Store(high, Words + 2 * Stride + at);
            Vector256.Store(key, (long*)Keys + at);
            Vector256.Store(key, (long*)Keys + at + 4);
            Vector256.Store(from, (long*)Rows + at);
            Vector256.Store(to, (long*)Rows + Stride + at);
            from += half;
            to += half;
            Vector256.Store(from, (long*)Rows + at + 4);
            Vector256.Store(to, (long*)Rows + Stride + at + 4);
            from += half;
            to += half;
            blocks += Vector256.Create(8u);
        }

        Count = end;
    }

    /// <summary>Tells whether lanes share one key, by address.</summary>
    /// <param name="first">First lane.</param>
    /// <param name="lanes">Lanes to compare.</param>
    /// <returns>Whether they do.</returns>
    public readonly bool SameKey(int first, int lanes)
    {
        nint key = Keys[first];
        nint difference = 0;
        for (int i = 1; i < lanes; i++)
        {
            difference |= Keys[first + i] ^ key;
        }

        return difference == 0;
    }
}
