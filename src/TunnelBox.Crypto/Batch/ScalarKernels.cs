using System.Numerics;
using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <summary>Kernels in plain C#: one block, one packet. For processors without any of the others.</summary>
internal unsafe struct ScalarKernels : IBatchKernels
{
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
    public static int WideFrom => int.MaxValue;

    /// <inheritdoc/>
    public static int ColumnCost(int rows) => 1;

    /// <inheritdoc/>
    public static int LoneCost(int blocks) => 0;

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
    public static void FewBlocks1(nint* keys, byte* columns, uint* words, nint* rows)
    {
        // FewLanes is zero: the engine never comes here.
    }

    /// <inheritdoc/>
    public static void FewBlocks2(nint* keys, byte* columns, uint* words, nint* rows)
    {
        // As above.
    }

    /// <inheritdoc/>
    public static void PolyInit(byte* state, byte* keyRows)
    {
        *(ScalarPoly*)state = default;
        new Span<byte>(keyRows, 32).CopyTo(new Span<byte>(state + 32, 32));
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
        => ((ScalarPoly*)state)->Absorb(state + 32, (ulong*)rows[0] + 2 * block, 4 - block);

    /// <inheritdoc/>
    public static void PolyRows1(byte* state, nint* rows, nint count)
        => ((ScalarPoly*)state)->Absorb(state + 32, (ulong*)rows[0], 4 * count);

    /// <inheritdoc/>
    public static void PolyRows2(byte* state, nint* rows, nint count) => PolyRows1(state, rows, count);

    /// <inheritdoc/>
    public static void PolyRows4(byte* state, nint* rows, nint count) => PolyRows1(state, rows, count);

    /// <inheritdoc/>
    public static void PolyFinal(byte* state, ulong* lengths, byte* tags)
    {
        ((ScalarPoly*)state)->Absorb(state + 32, lengths, 1);
        Vector128.Store(((ScalarPoly*)state)->Reduce(state + 32), tags);
    }

    /// <inheritdoc/>
    public static void WideInit(byte* state, ulong low, ulong high)
    {
        // Lone packets go block by block (LoneCost): the engine never comes here, nor to the four below.
    }

    /// <inheritdoc/>
    public static void WideHead(byte* state, byte* message, long absent)
    {
        // Never called.
    }

    /// <inheritdoc/>
    public static void WideStep(byte* state, byte* message)
    {
        // Never called.
    }

    /// <inheritdoc/>
    public static void WidePairs(byte* state, byte* message, nint count)
    {
        // Never called.
    }

    /// <inheritdoc/>
    public static void WideJoin(byte* state, ulong* limbs)
    {
        // Never called.
    }

    /// <inheritdoc/>
    public static void Mix(byte* destination, byte* source, byte* keyStream, int count)
        => ShortBytes.Mix(destination, source, keyStream, count);

    /// <inheritdoc/>
    public static void Stage(byte* row, byte* source, int from, int to) => ShortBytes.Stage(row, source, from, to);

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
        // Constant time: ten double rounds always, of additions, exclusive ors and rotations by constants.
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
