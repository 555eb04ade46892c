namespace TunnelBox.Visibility;

/// <summary>The sum of all workers' counts at about one moment.</summary>
public sealed class CounterTotals
{
    private readonly long[] _drops = new long[DropReasons.Count];

    /// <summary>Gets packets that came in from the network and were delivered.</summary>
    public long InPackets { get; internal set; }

    /// <summary>Gets the bytes of those packets, without tunnel headers.</summary>
    public long InBytes { get; internal set; }

    /// <summary>Gets packets that were sealed and handed to the network.</summary>
    public long OutPackets { get; internal set; }

    /// <summary>Gets the bytes of those packets, without tunnel headers.</summary>
    public long OutBytes { get; internal set; }

    /// <summary>Gets the sum over every drop reason.</summary>
    public long AllDrops => _drops.Sum();

    /// <summary>Gets the packets dropped for one reason.</summary>
    /// <param name="reason">The reason.</param>
    /// <returns>How many.</returns>
    public long Drops(DropReason reason) => (uint)reason < DropReasons.Count ? _drops[(int)reason] : 0;

    internal void AddDrops(int reason, long count) => _drops[reason] += count;
}

/// <summary>The counters of one tunnel: one <see cref="CounterBlock"/> a worker, summed when somebody reads.</summary>
public sealed class Counters
{
    private readonly Lock _lock = new();
    private readonly List<CounterBlock> _blocks = [];
    private readonly CounterBlock _retired = new();

    /// <summary>Makes a block for one more worker.</summary>
    /// <returns>The block; only that worker may count in it.</returns>
    public CounterBlock AddBlock()
    {
        var block = new CounterBlock();
        lock (_lock)
        {
            _blocks.Add(block);
        }

        return block;
    }

    /// <summary>Takes a block back from a worker that has ended; its counts stay in the totals.</summary>
    /// <param name="block">The block; nobody counts in it any more.</param>
    public void Retire(CounterBlock block)
    {
        ArgumentNullException.ThrowIfNull(block);
        lock (_lock)
        {
            if (_blocks.Remove(block))
            {
                _retired.Take(block);
            }
        }
    }

    /// <summary>Sums all blocks; from any thread, while workers go on counting.</summary>
    /// <returns>The totals. Each count is exact; counts of one packet may be a moment apart.</returns>
    public CounterTotals Read()
    {
        var totals = new CounterTotals();
        lock (_lock)
        {
            _retired.AddTo(totals);
            foreach (CounterBlock block in _blocks)
            {
                block.AddTo(totals);
            }
        }

        return totals;
    }
}
