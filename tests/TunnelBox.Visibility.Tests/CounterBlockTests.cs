namespace TunnelBox.Visibility.Tests;

public sealed class CounterBlockTests
{
    [Fact]
    public void No_reason_and_unknown_reasons_count_nothing()
    {
        var counters = new Counters();
        CounterBlock block = counters.AddBlock();
        block.CountDrop(DropReason.None);
        block.CountDrop((DropReason)DropReasons.Count);
        block.CountDrop((DropReason)255);
        CounterTotals totals = counters.Read();
        Assert.Equal(0, totals.AllDrops);
        Assert.Equal(0, totals.InPackets + totals.InBytes + totals.OutPackets + totals.OutBytes);
    }

    [Fact]
    public void Every_reason_has_its_own_count()
    {
        var counters = new Counters();
        CounterBlock block = counters.AddBlock();
        foreach (DropReasonDescription description in DropReasons.All)
        {
            block.CountDrop(description.Reason, (long)description.Reason);
        }

        CounterTotals totals = counters.Read();
        Assert.All(DropReasons.All, d => Assert.Equal((long)d.Reason, totals.Drops(d.Reason)));
        Assert.Equal(0, totals.InPackets + totals.InBytes + totals.OutPackets + totals.OutBytes);
    }

    [Fact]
    public void Counting_allocates_nothing()
    {
        CounterBlock block = new Counters().AddBlock();
        block.CountIn(1, 1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000_000; i++)
        {
            block.CountIn(64, 90_000);
            block.CountOut(64, 90_000);
            block.CountDrop(DropReason.InNoStates);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
