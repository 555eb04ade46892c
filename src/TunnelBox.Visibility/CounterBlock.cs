namespace TunnelBox.Visibility;

/// <summary>
/// The counters of one worker: plain additions by one writer, on cache lines that no other writer touches. Readers sum the
/// blocks of all workers (<see cref="Counters"/>).
/// </summary>
public sealed class CounterBlock
{
    // Processors fetch lines of 64 bytes in pairs, so 128 bytes on both sides keep neighbours on the heap away.
    private const int Padding = 128 / sizeof(long);
    private const int InPackets = Padding + DropReasons.Count;
    private const int InBytes = InPackets + 1;
    private const int OutPackets = InPackets + 2;
    private const int OutBytes = InPackets + 3;
    private const int Cells = InPackets + 4;

    private readonly long[] _cells = new long[Cells + Padding];

    internal CounterBlock()
    {
    }

    /// <summary>Counts packets that came in and were delivered; for the owning worker.</summary>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes, without tunnel headers.</param>
    public void CountIn(long packets, long bytes)
    {
        Add(InPackets, packets);
        Add(InBytes, bytes);
    }

    /// <summary>Counts packets that were sealed and sent; for the owning worker.</summary>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes, without tunnel headers.</param>
    public void CountOut(long packets, long bytes)
    {
        Add(OutPackets, packets);
        Add(OutBytes, bytes);
    }

    /// <summary>Counts dropped packets; for the owning worker.</summary>
    /// <param name="reason">Why; <see cref="DropReason.None"/> counts nothing.</param>
    /// <param name="packets">How many.</param>
    public void CountDrop(DropReason reason, long packets = 1)
    {
        if (reason != DropReason.None && (uint)reason < DropReasons.Count)
        {
            Add(Padding + (int)reason, packets);
        }
    }

    internal void AddTo(CounterTotals totals)
    {
        for (int reason = 0; reason < DropReasons.Count; reason++)
        {
            totals.AddDrops(reason, Volatile.Read(ref _cells[Padding + reason]));
        }

        totals.InPackets += Volatile.Read(ref _cells[InPackets]);
        totals.InBytes += Volatile.Read(ref _cells[InBytes]);
        totals.OutPackets += Volatile.Read(ref _cells[OutPackets]);
        totals.OutBytes += Volatile.Read(ref _cells[OutBytes]);
    }

    internal void Take(CounterBlock other)
    {
        for (int cell = Padding; cell < Cells; cell++)
        {
            Add(cell, Volatile.Read(ref other._cells[cell]));
        }
    }

    // One writer, so no interlocked addition; the volatile write keeps a reader from seeing it late.
    private void Add(int cell, long amount) => Volatile.Write(ref _cells[cell], _cells[cell] + amount);
}
