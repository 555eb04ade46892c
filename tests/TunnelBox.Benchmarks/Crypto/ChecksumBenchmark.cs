using System.Diagnostics;
using System.Runtime.InteropServices;
using TunnelBox.DataPath;

namespace TunnelBox.Benchmarks.Crypto;

/// <summary>The Internet checksum that a GSO split needs, over the segments of one super-packet.</summary>
internal static unsafe class ChecksumBenchmark
{
    private const int Segment = 1400;
    private const int Segments = 46;
    private const int Rounds = 25;
    private const int Repeats = 2_000;

    /// <summary>Measures.</summary>
    /// <param name="copy">Whether the bytes are copied in the same pass, as the GSO split does it.</param>
    /// <param name="sum">Whether they are added up; a copy without that shows what of the time is the memory's.</param>
    /// <returns>Nanoseconds a segment of 1,400 bytes, the median of rounds.</returns>
    public static double Run(bool copy, bool sum)
    {
        byte* memory = (byte*)NativeMemory.AlignedAlloc(2 * 65536, 64);
        byte* target = (byte*)NativeMemory.AlignedAlloc(2 * 65536, 64);
        new Span<byte>(memory, 2 * 65536).Fill(0x3C);
        new Span<byte>(target, 2 * 65536).Clear();
        double[] times = new double[Rounds];
        ulong sink = 0;
        for (int round = -3; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Repeats; i++)
            {
                byte* at = memory + 40 + (i % Segments * Segment);
                byte* to = target + 54 + (i % Segments * (Segment + 24));
                if (!sum)
                {
                    Buffer.MemoryCopy(at, to, Segment, Segment);
                    continue;
                }

                sink += Checksum.Fold(copy ? Checksum.CopyAndSum(to, at, Segment) : Checksum.Sum(at, Segment));
            }

            if (round >= 0)
            {
                times[round] = Stopwatch.GetElapsedTime(start).TotalNanoseconds / Repeats;
            }
        }

        NativeMemory.AlignedFree(memory);
        NativeMemory.AlignedFree(target);
        Array.Sort(times);
        return sink == 1 ? 0 : times[Rounds / 2];
    }
}
