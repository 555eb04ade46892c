using TunnelBox.Visibility;

namespace TunnelBox.Service;

/// <summary>When each drop reason was last seen to happen; as exact as somebody looks. For one writer; any thread may read.</summary>
public sealed class ReasonAges
{
    private readonly long[] _counts = new long[DropReasons.Count];
    private readonly long[] _seen = new long[DropReasons.Count];

    /// <summary>Looks at the counts.</summary>
    /// <param name="totals">The counts.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock, above 0.</param>
    public void Look(CounterTotals totals, long now)
    {
        ArgumentNullException.ThrowIfNull(totals);
        for (int i = 1; i < DropReasons.Count; i++)
        {
            long count = totals.Drops((DropReason)i);
            if (count != _counts[i])
            {
                _counts[i] = count;
                Volatile.Write(ref _seen[i], now);
            }
        }
    }

    /// <summary>Gives the age of a reason.</summary>
    /// <param name="reason">The reason.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <returns>Nanoseconds since it was last seen, or null for never.</returns>
    public long? Of(DropReason reason, long now) => Volatile.Read(ref _seen[(int)reason]) is > 0 and long seen ? Math.Max(now - seen, 0) : null;
}
