using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace TunnelBox.Crypto.Batch;

/// <summary>Kernels for AVX-512 (F, BW): 16 blocks, 8 packets.</summary>
internal unsafe partial struct Vector512Kernels : IBatchKernels
{
    /// <inheritdoc/>
    public static string Name => "vector512";

    /// <inheritdoc/>
    public static bool IsSupported => Avx512BW.IsSupported;

    /// <inheritdoc/>
    public static int BlockLanes => 16;

    /// <inheritdoc/>
    public static int FewLanes => 8;

    /// <inheritdoc/>
    public static int PolyLanes => 8;

    /// <inheritdoc/>
    public static int VectorBytes => 64;

    // Half the lanes have their powers sooner, which pays until the wider steps have made up for it. Where a 512-bit step is taken in
    // two halves that is late: on Zen 4, 1,420 bytes alone take 0.92 to 0.94 of the time with half the lanes; on Emerald Rapids 0.91
    // to 0.96 of it with all.
    private static readonly int s_wideFrom = IsIntel() ? 48 : 96;

    /// <inheritdoc/>
    public static int WideFrom => s_wideFrom;

    /// <inheritdoc/>
    public static int ColumnCost(int rows) => rows == 1 ? 80 : rows < 8 ? 60 + 45 * rows : 80 + 41 * rows;

    /// <inheritdoc/>
    public static int LoneCost(int blocks) => blocks < 12 ? 12 + 8 * blocks : 90 + 3 * blocks / 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Mix(byte* destination, byte* source, byte* keyStream, int count)
    {
        Vector512<byte> mask = Vector512.LessThan(Vector512<byte>.Indices, Vector512.Create((byte)count));
        Vector512<byte> mixed = Avx512BW.MaskLoad(source, mask, Vector512<byte>.Zero) ^ Vector512.Load(keyStream);
        Avx512BW.MaskStore(destination, mask, mixed);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Stage(byte* row, byte* source, int from, int to)
    {
        // One unsigned comparison tests both ends of the range.
        Vector512<byte> mask = Vector512.LessThan(
            Vector512<byte>.Indices - Vector512.Create((byte)from), Vector512.Create((byte)(to - from)));
        Vector512.Store(Avx512BW.MaskLoad(source, mask, Vector512<byte>.Zero), row);
    }

    // CPUID's leaf 0 spells "GenuineIntel" in ebx, edx and ecx.
    private static bool IsIntel()
    {
        if (!X86Base.IsSupported)
        {
            return false;
        }

        (_, int first, int third, int second) = X86Base.CpuId(0, 0);
        return (first, second, third) == (0x756E6547, 0x49656E69, 0x6C65746E);
    }
}
