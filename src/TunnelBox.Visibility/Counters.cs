namespace TunnelBox.Visibility;

/// <summary>The counters of one tunnel: one <see cref="CounterBlock"/> a worker, summed when somebody reads.</summary>
public sealed class Counters
{
    private readonly Lock _lock = new();
    private readonly List<CounterBlock> _blocks = [];
    private readonly List<CounterBlock> _idle = [];

    /// <summary>Makes a block for one more worker, or hands on the block of a worker of the same name that has ended.</summary>
    /// <param name="name">The worker's name.</param>
    /// <param name="inner">What its inner port is.</param>
    /// <param name="outer">What its outer port is.</param>
    /// <returns>The block; only that worker may count in it.</returns>
    public CounterBlock AddBlock(string name = "", string inner = "", string outer = "")
    {
        lock (_lock)
        {
            CounterBlock? block = _idle.Find(idle => idle.Name == name);
            if (block is null)
            {
                block = new CounterBlock(name, _blocks.Count + _idle.Count + 1);
            }
            else
            {
                _idle.Remove(block);
            }

            block.Inner = inner;
            block.Outer = outer;
            _blocks.Add(block);
            return block;
        }
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
                _idle.Add(block);
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
            _blocks.ForEach(block => block.AddTo(totals));
            _idle.ForEach(block => block.AddTo(totals));
        }

        return totals;
    }

    /// <summary>Reads each block by itself, also those of workers that have ended, in the order of their numbers.</summary>
    /// <returns>The blocks with their counts.</returns>
    public IReadOnlyList<(CounterBlock Block, CounterTotals Totals)> ReadEach()
    {
        lock (_lock)
        {
            return [.. _blocks.Concat(_idle).OrderBy(block => block.Writer).Select(block =>
            {
                var totals = new CounterTotals();
                block.AddTo(totals);
                return (block, totals);
            })];
        }
    }
}
