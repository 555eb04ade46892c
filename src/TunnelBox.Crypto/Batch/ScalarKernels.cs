using System.Buffers.Binary;
using System.Numerics;

namespace TunnelBox.Crypto.Batch;

/// <summary>Kernels in plain C#: one block, one packet. For processors without any of the others.</summary>
internal unsafe struct ScalarKernels : IBatchKernels
{
    private const ulong Limb44 = (1UL << 44) - 1;
    private const ulong Limb42 = (1UL << 42) - 1;

    /// <inheritdoc/>
    public static string Name => "scalar";

    /// <inheritdoc/>
    public static bool IsSupported => BitConverter.IsLittleEndian && sizeof(nint) == 8;

    /// <inheritdoc/>
    public static int BlockLanes => 1;

    /// <inheritdoc/>
    public static int FewLanes => 0;

    /// <inheritdoc/>
    public static int PolyLanes => 1;

    /// <inheritdoc/>
    public static int VectorBytes => 16;

    /// <inheritdoc/>
    public static void KeyColumns(nint* keys, byte* columns) => KeyColumn(keys[0], columns);

    /// <inheritdoc/>
    public static void KeyColumn(nint key, byte* columns)
    {
        for (int i = 0; i < 8; i++)
        {
            *(uint*)(columns + 16 * i) = ((uint*)key)[i];
        }
    }

    /// <inheritdoc/>
    public static void Blocks(byte* columns, uint* words, nint* rows)
    {
        uint* block = stackalloc uint[16];
        Block(columns, words, block);
        ShortBytes.Mix((byte*)rows[LaneBuffer.Stride], (byte*)rows[0], (byte*)block, 64);
        new Span<uint>(block, 16).Clear();
    }

    /// <inheritdoc/>
    public static void KeyBlocks(byte* columns, uint* words, byte* rows)
    {
        uint* block = stackalloc uint[16];
        Block(columns, words, block);
        new Span<byte>(block, 32).CopyTo(new Span<byte>(rows, 32));
        new Span<uint>(block, 16).Clear();
    }

    /// <inheritdoc/>
    public static void FewBlocks(nint* keys, uint prefix, uint* words, nint* rows)
    {
        // FewLanes is zero: the engine never comes here.
    }

    /// <inheritdoc/>
    public static void PolyInit(byte* state, byte* keyRows)
    {
        ulong* s = (ulong*)state;
        ulong low = ((ulong*)keyRows)[0] & 0x0ffffffc0fffffffUL;
        ulong high = ((ulong*)keyRows)[1] & 0x0ffffffc0ffffffcUL;
        s[0] = 0;
        s[1] = 0;
        s[2] = 0;
        s[3] = low & Limb44;
        s[4] = (low >> 44 | high << 20) & Limb44;
        s[5] = high >> 24;
        s[6] = ((ulong*)keyRows)[2];
        s[7] = ((ulong*)keyRows)[3];
    }

    /// <inheritdoc/>
    public static void PolySquare(byte* state)
    {
        // Block by block needs no power beyond r.
    }

    /// <inheritdoc/>
    public static void PolyFourth(byte* state)
    {
        // As above.
    }

    /// <inheritdoc/>
    public static void PolyHead(byte* state, nint* rows, long* first, int block)
    {
        for (int b = (int)first[0]; b < 4; b++)
        {
            ulong* m = (ulong*)rows[0] + 2 * b;
            Step((ulong*)state, m[0], m[1]);
        }
    }

    /// <inheritdoc/>
    public static void PolyRows1(byte* state, nint* rows, nint count)
    {
        ulong* m = (ulong*)rows[0];
        for (nint i = 0; i < 4 * count; i++, m += 2)
        {
            Step((ulong*)state, m[0], m[1]);
        }
    }

    /// <inheritdoc/>
    public static void PolyRows2(byte* state, nint* rows, nint count) => PolyRows1(state, rows, count);

    /// <inheritdoc/>
    public static void PolyRows4(byte* state, nint* rows, nint count) => PolyRows1(state, rows, count);

    /// <inheritdoc/>
    public static void PolyFinal(byte* state, ulong* lengths, byte* tags)
    {
        ulong* s = (ulong*)state;
        Step(s, lengths[0], lengths[1]);
        ulong h0 = s[0];
        ulong h1 = s[1];
        ulong h2 = s[2];

        // Carry all the way round, twice, then choose h or h - p by a mask.
        for (int i = 0; i < 2; i++)
        {
            h1 += h0 >> 44;
            h0 &= Limb44;
            h2 += h1 >> 44;
            h1 &= Limb44;
            h0 += 5 * (h2 >> 42);
            h2 &= Limb42;
        }

        h1 += h0 >> 44;
        h0 &= Limb44;
        h2 += h1 >> 44;
        h1 &= Limb44;
        ulong g0 = h0 + 5;
        ulong g1 = h1 + (g0 >> 44);
        ulong g2 = h2 + (g1 >> 44) - (1UL << 42);
        ulong keep = 0 - (g2 >> 63);
        h0 = (h0 & keep) | (g0 & Limb44 & ~keep);
        h1 = (h1 & keep) | (g1 & Limb44 & ~keep);
        h2 = (h2 & keep) | (g2 & ~keep);
        UInt128 tag = new UInt128(h1 >> 20 | h2 << 24, h0 | h1 << 44) + new UInt128(s[7], s[6]);
        BinaryPrimitives.WriteUInt128LittleEndian(new Span<byte>(tags, 16), tag);
    }

    /// <inheritdoc/>
    public static void Mix(byte* destination, byte* source, byte* keyStream, int count)
        => ShortBytes.Mix(destination, source, keyStream, count);

    /// <inheritdoc/>
    public static void Stage(byte* row, byte* source, int from, int to) => ShortBytes.Stage(row, source, from, to);

    /// <summary>h = (h + m + 2^128) r modulo 2^130 - 5: multiplications and shifts only, which take the same time for any value.</summary>
    private static void Step(ulong* s, ulong low, ulong high)
    {
        ulong h0 = s[0] + (low & Limb44);
        ulong h1 = s[1] + ((low >> 44 | high << 20) & Limb44);
        ulong h2 = s[2] + (high >> 24 | 1UL << 40);
        ulong r0 = s[3];
        ulong r1 = s[4];
        ulong r2 = s[5];
        ulong s1 = r1 * 20;
        ulong s2 = r2 * 20;
        UInt128 d0 = Math.BigMul(h0, r0) + Math.BigMul(h1, s2) + Math.BigMul(h2, s1);
        UInt128 d1 = Math.BigMul(h0, r1) + Math.BigMul(h1, r0) + Math.BigMul(h2, s2);
        UInt128 d2 = Math.BigMul(h0, r2) + Math.BigMul(h1, r1) + Math.BigMul(h2, r0);
        d1 += (ulong)(d0 >> 44);
        d2 += (ulong)(d1 >> 44);
        h0 = ((ulong)d0 & Limb44) + 5 * (ulong)(d2 >> 42);
        s[0] = h0 & Limb44;
        s[1] = ((ulong)d1 & Limb44) + (h0 >> 44);
        s[2] = (ulong)d2 & Limb42;
    }

    /// <summary>One block; a fixed number of rounds of additions, exclusive ors and rotations.</summary>
    private static void Block(byte* columns, uint* words, uint* x)
    {
        uint* start = stackalloc uint[16];
        start[0] = 0x61707865;
        start[1] = 0x3320646e;
        start[2] = 0x79622d32;
        start[3] = 0x6b206574;
        for (int i = 0; i < 8; i++)
        {
            start[4 + i] = *(uint*)(columns + 16 * i);
        }

        start[12] = words[0];
        start[13] = *(uint*)(columns + 16 * 8);
        start[14] = words[LaneBuffer.Stride];
        start[15] = words[2 * LaneBuffer.Stride];
        new Span<uint>(start, 16).CopyTo(new Span<uint>(x, 16));
        for (int i = 0; i < 10; i++)
        {
            Quarter(x, 0, 4, 8, 12);
            Quarter(x, 1, 5, 9, 13);
            Quarter(x, 2, 6, 10, 14);
            Quarter(x, 3, 7, 11, 15);
            Quarter(x, 0, 5, 10, 15);
            Quarter(x, 1, 6, 11, 12);
            Quarter(x, 2, 7, 8, 13);
            Quarter(x, 3, 4, 9, 14);
        }

        for (int i = 0; i < 16; i++)
        {
            x[i] += start[i];
        }

        new Span<uint>(start, 16).Clear();
    }

    private static void Quarter(uint* x, int a, int b, int c, int d)
    {
        x[a] += x[b];
        x[d] = BitOperations.RotateLeft(x[d] ^ x[a], 16);
        x[c] += x[d];
        x[b] = BitOperations.RotateLeft(x[b] ^ x[c], 12);
        x[a] += x[b];
        x[d] = BitOperations.RotateLeft(x[d] ^ x[a], 8);
        x[c] += x[d];
        x[b] = BitOperations.RotateLeft(x[b] ^ x[c], 7);
    }
}
