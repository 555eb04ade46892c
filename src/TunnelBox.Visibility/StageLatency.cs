using System.Numerics;

namespace TunnelBox.Visibility;

/// <summary>
/// How long packets take at one stage: a histogram by one writer, four classes to each doubling of the time, so that a value read from
/// it is at most a quarter too large. Readers may look at any time.
/// </summary>
public sealed class StageLatency
{
    private const int Parts = 4;
    private const int Shift = 2;

    private readonly long[] _counts = new long[64 * Parts];
    private long _longest;

    /// <summary>Counts one; for the writer.</summary>
    /// <param name="nanoseconds">How long it took; what is negative counts as 0.</param>
    public void Add(long nanoseconds)
    {
        long value = Math.Max(nanoseconds, 0);
        ref long count = ref _counts[ClassOf(value)];
        Volatile.Write(ref count, count + 1);
        if (value > _longest)
        {
            Volatile.Write(ref _longest, value);
        }
    }

    /// <summary>Reads it.</summary>
    /// <returns>How many were counted, the time in nanoseconds that half of them did not exceed, that 99 of 100 did not, and the longest.</returns>
    public (long Count, long Median, long P99, long Longest) Read()
    {
        long[] counts = new long[_counts.Length];
        long sum = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            counts[i] = Volatile.Read(ref _counts[i]);
            sum += counts[i];
        }

        long longest = Volatile.Read(ref _longest);
        long Under(long rank)
        {
            long before = 0;
            for (int i = 0; i < counts.Length; i++)
            {
                before += counts[i];
                if (before >= rank && counts[i] > 0)
                {
                    return Math.Min(EndOf(i), longest);
                }
            }

            return 0;
        }

        return (sum, Under((sum + 1) / 2), Under((sum * 99 + 99) / 100), longest);
    }

    // Below four, each value has its class; above, the two bits behind the highest one part its doubling.
    private static int ClassOf(long value)
    {
        if (value < Parts)
        {
            return (int)value;
        }

        int doubling = BitOperations.Log2((ulong)value);
        return ((doubling - Shift + 1) * Parts) + (int)((value >> (doubling - Shift)) & (Parts - 1));
    }

    private static long EndOf(int number)
    {
        if (number < Parts)
        {
            return number;
        }

        int doubling = (number / Parts) + Shift - 1;
        return ((Parts + (long)(number % Parts) + 1) << (doubling - Shift)) - 1;
    }
}
