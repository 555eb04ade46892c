using System.Runtime.Intrinsics.X86;

namespace TunnelBox.Crypto.Batch;

/// <summary>Kernels for SSSE3: 4 blocks, 2 packets.</summary>
internal unsafe partial struct Vector128Kernels : IBatchKernels
{
    /// <inheritdoc/>
    public static string Name => "vector128";

    /// <inheritdoc/>
    public static bool IsSupported => Ssse3.IsSupported;

    /// <inheritdoc/>
    public static int BlockLanes => 4;

    /// <inheritdoc/>
    public static int FewLanes => 2;

    /// <inheritdoc/>
    public static int PolyLanes => 2;

    /// <inheritdoc/>
    public static int VectorBytes => 16;

    /// <inheritdoc/>
    public static int WideFrom => 10;

    /// <inheritdoc/>
    public static int ColumnCost(int rows) => rows == 1 ? 55 : rows < 8 ? 35 + 27 * rows : 50 + 25 * rows;

    /// <inheritdoc/>
    public static int LoneCost(int blocks) => blocks < WideFrom ? 12 + 8 * blocks : 40 + 4 * blocks;

    /// <inheritdoc/>
    public static void Mix(byte* destination, byte* source, byte* keyStream, int count)
        => ShortBytes.Mix(destination, source, keyStream, count);

    /// <inheritdoc/>
    public static void Stage(byte* row, byte* source, int from, int to) => ShortBytes.Stage(row, source, from, to);
}
