namespace TunnelBox.Crypto.Batch;

/// <summary>
/// Sorts packets by length, so that the lanes of a Poly1305 group have about as much to do. Its loops and addresses follow
/// lengths, which an observer of the wire sees.
/// </summary>
internal static unsafe class LengthOrder
{
    private const int Buckets = 64;

    /// <summary>Sorts by rows of 64 bytes: exactly up to 2 KiB, beyond that in steps of 2 KiB.</summary>
    /// <param name="jobs">The packets.</param>
    /// <param name="order">As many addresses to write, shortest first.</param>
    /// <param name="count">At most 64.</param>
    public static void Sort(AeadJob* jobs, AeadJob** order, int count)
    {
        byte* next = stackalloc byte[Buckets];
        new Span<byte>(next, Buckets).Clear();
        ulong used = 0;
        for (int i = 0; i < count; i++)
        {
            int bucket = Bucket(jobs[i].Length);
            next[bucket]++;
            used |= 1UL << bucket;
        }

        int start = 0;
        for (; used != 0; used &= used - 1)
        {
            int bucket = System.Numerics.BitOperations.TrailingZeroCount(used);
            int size = next[bucket];
            next[bucket] = (byte)start;
            start += size;
        }

        for (int i = 0; i < count; i++)
        {
            order[next[Bucket(jobs[i].Length)]++] = jobs + i;
        }
    }

    private static int Bucket(int length)
    {
        int rows = (length + 63) >> 6;
        return rows < 32 ? rows : Math.Min(Buckets - 1, 31 + (rows >> 5));
    }
}
