using System.Runtime.Intrinsics.X86;

namespace TunnelBox.Crypto.Batch;

/// <summary>Kernels for AVX2: 8 blocks, 4 packets.</summary>
internal unsafe partial struct Vector256Kernels : IBatchKernels
{
    /// <inheritdoc/>
    public static string Name => "vector256";

    /// <inheritdoc/>
    public static bool IsSupported => Avx2.IsSupported;

    /// <inheritdoc/>
    public static int BlockLanes => 8;

    /// <inheritdoc/>
    public static int FewLanes => 4;

    /// <inheritdoc/>
    public static int PolyLanes => 4;

    /// <inheritdoc/>
    public static int VectorBytes => 32;

    /// <inheritdoc/>
    public static int WideFrom => 12;

    /// <inheritdoc/>
    public static int ColumnCost(int rows) => rows == 1 ? 60 : rows < 8 ? 40 + 29 * rows : 55 + 28 * rows;

    /// <inheritdoc/>
    public static int LoneCost(int blocks) => blocks < WideFrom ? 12 + 8 * blocks : 65 + 2 * blocks;

    /// <inheritdoc/>
    public static void Mix(byte* destination, byte* source, byte* keyStream, int count)
        => ShortBytes.Mix(destination, source, keyStream, count);

    /// <inheritdoc/>
    public static void Stage(byte* row, byte* source, int from, int to) => ShortBytes.Stage(row, source, from, to);
}
