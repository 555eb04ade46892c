using System.Diagnostics;
using TunnelBox.DataPath;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>What passing work between two processors costs.</summary>
internal static class HandOver
{
    private const int Times = 200_000;

    private static long s_cell;

    /// <summary>Has another thread take and finish empty blocks, one after the other.</summary>
    /// <returns>Nanoseconds from offering one to seeing it finished.</returns>
    public static double Block()
    {
        var ring = new OpeningRing();
        bool over = false;
        var helper = new Thread(() =>
        {
            while (!Volatile.Read(ref over))
            {
                ring.Take()?.Finish();
            }
        });
        helper.Start();
        long start = 0;
        for (int i = -1000; i < Times; i++)
        {
            start = i == 0 ? Stopwatch.GetTimestamp() : start;
            ring.Offer();
            while (!ring.Oldest.IsOpened)
            {
                // The other processor has it.
            }

            ring.Release();
        }

        double each = Stopwatch.GetElapsedTime(start).TotalNanoseconds / Times;
        Volatile.Write(ref over, true);
        helper.Join();
        return each;
    }

    /// <summary>Has two threads add to one number.</summary>
    /// <returns>Nanoseconds an addition when two do it at once, each counted.</returns>
    public static double Add()
    {
        bool over = false;
        long others = 0;
        var other = new Thread(() =>
        {
            while (!Volatile.Read(ref over))
            {
                _ = Interlocked.Increment(ref s_cell);
                others++;
            }
        });
        other.Start();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 10 * Times; i++)
        {
            _ = Interlocked.Increment(ref s_cell);
        }

        double spent = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        Volatile.Write(ref over, true);
        other.Join();
        return spent / ((10 * Times) + others);
    }
}
