namespace TunnelBox.Visibility;

/// <summary>
/// What was dropped of one peer's packets, by reason. A peer that never dropped costs one reference; the first drop by a
/// writer makes a block that this writer alone adds to, so counting takes no lock and no interlocked addition.
/// </summary>
public struct PeerDrops
{
    /// <summary>The writer that is no worker: whoever holds the tunnel's lock.</summary>
    public const int Control = 0;

    // A peer keeps no cells for what only a device knows of.
    private static readonly DropReason[] s_reasons = [.. DropReasons.All.Select(description => description.Reason).Where(reason => !DropReasons.IsOfDevice(reason))];
    private static readonly int[] s_places = Places();

    private Block? _first;

    /// <summary>Gets a value indicating whether anything was ever dropped.</summary>
    public readonly bool Any => _first is not null;

    /// <summary>Counts dropped packets.</summary>
    /// <param name="writer"><see cref="CounterBlock.Writer"/> of the worker that counts, or <see cref="Control"/>.</param>
    /// <param name="reason">Why; <see cref="DropReason.None"/> and what is a device's count nothing.</param>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes.</param>
    public void Count(int writer, DropReason reason, long packets, long bytes)
    {
        if (reason == DropReason.None || (uint)reason >= DropReasons.Count || s_places[(int)reason] < 0)
        {
            return;
        }

        Block? block = Volatile.Read(ref _first);
        while (block is not null && block.Writer != writer)
        {
            block = block.Next;
        }

        block ??= Add(writer);
        block.Add(s_places[(int)reason], packets);
        block.Add(s_places[(int)reason] + 1, bytes);
    }

    /// <summary>Sums the blocks of all writers; from any thread.</summary>
    /// <returns>The totals; only their drops are set.</returns>
    public readonly CounterTotals Read()
    {
        var totals = new CounterTotals();
        for (Block? block = _first; block is not null; block = block.Next)
        {
            block.AddTo(totals);
        }

        return totals;
    }

    private static int[] Places()
    {
        int[] places = new int[DropReasons.Count];
        Array.Fill(places, -1);
        for (int i = 0; i < s_reasons.Length; i++)
        {
            places[(int)s_reasons[i]] = 2 * i;
        }

        return places;
    }

    private Block Add(int writer)
    {
        var made = new Block(writer);
        do
        {
            made.Next = Volatile.Read(ref _first);
        }
        while (!ReferenceEquals(Interlocked.CompareExchange(ref _first, made, made.Next), made.Next));
        return made;
    }

    private sealed class Block(int writer)
    {
        private readonly long[] _cells = new long[s_reasons.Length * 2];

        public int Writer => writer;

        public Block? Next { get; set; }

        public void Add(int cell, long amount) => Volatile.Write(ref _cells[cell], _cells[cell] + amount);

        public void AddTo(CounterTotals totals)
        {
            for (int i = 0; i < s_reasons.Length; i++)
            {
                totals.AddDrops((int)s_reasons[i], Volatile.Read(ref _cells[i * 2]), Volatile.Read(ref _cells[(i * 2) + 1]));
            }
        }
    }
}
