namespace TunnelBox.Visibility.Tests;

public sealed class CountersTests
{
    [Fact]
    public void Blocks_are_summed()
    {
        var counters = new Counters();
        CounterBlock first = counters.AddBlock();
        CounterBlock second = counters.AddBlock();
        first.CountIn(3, 300);
        second.CountIn(4, 4000);
        second.CountOut(5, 50);
        first.CountDrop(DropReason.InStateSeqError);
        second.CountDrop(DropReason.InStateSeqError, 9);
        second.CountDrop(DropReason.OutInterfaceDown, 2);

        CounterTotals totals = counters.Read();
        Assert.Equal(7, totals.InPackets);
        Assert.Equal(4300, totals.InBytes);
        Assert.Equal(5, totals.OutPackets);
        Assert.Equal(50, totals.OutBytes);
        Assert.Equal(10, totals.Drops(DropReason.InStateSeqError));
        Assert.Equal(2, totals.Drops(DropReason.OutInterfaceDown));
        Assert.Equal(0, totals.Drops(DropReason.InHdrError));
        Assert.Equal(12, totals.AllDrops);
    }

    [Fact]
    public void What_a_retired_worker_counted_stays()
    {
        var counters = new Counters();
        CounterBlock block = counters.AddBlock();
        block.CountOut(1, 2);
        block.CountDrop(DropReason.OutNoRoute, 3);
        counters.Retire(block);
        counters.Retire(block);
        CounterTotals totals = counters.Read();
        Assert.Equal(1, totals.OutPackets);
        Assert.Equal(2, totals.OutBytes);
        Assert.Equal(3, totals.Drops(DropReason.OutNoRoute));
    }

    [Fact]
    public void A_worker_of_the_same_name_goes_on_where_the_last_one_ended()
    {
        var counters = new Counters();
        CounterBlock first = counters.AddBlock("w0", "tun", "udp");
        CounterBlock other = counters.AddBlock("w1");
        first.CountPort(PortFlow.OuterSent, 2, 300);
        counters.Retire(first);
        Assert.NotSame(other, counters.AddBlock("w2"));
        CounterBlock again = counters.AddBlock("w0", "tun", "udp again");
        again.CountPort(PortFlow.OuterSent, 1, 50);
        Assert.Equal(first.Writer, again.Writer);
        Assert.Equal(["w0", "w1", "w2"], counters.ReadEach().Select(b => b.Block.Name));
        Assert.Equal((3L, 350L), counters.ReadEach()[0].Totals.Port(PortFlow.OuterSent));
        Assert.Equal("udp again", counters.ReadEach()[0].Block.Outer);
        Assert.Equal((3L, 350L), counters.Read().Port(PortFlow.OuterSent));
    }

    [Fact]
    public void Every_worker_counts_exactly_while_others_read()
    {
        var counters = new Counters();
        const int rounds = 500_000;
        Thread[] writers = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            CounterBlock block = counters.AddBlock();
            for (int i = 0; i < rounds; i++)
            {
                block.CountIn(1, 64);
                block.CountDrop(DropReason.InHdrError);
            }
        }))];
        Array.ForEach(writers, writer => writer.Start());
        long last = 0;
        while (Array.Exists(writers, writer => writer.IsAlive))
        {
            long now = counters.Read().InPackets;
            Assert.True(now >= last, "a count went back");
            last = now;
        }

        CounterTotals totals = counters.Read();
        Assert.Equal(3 * rounds, totals.InPackets);
        Assert.Equal(3 * rounds * 64, totals.InBytes);
        Assert.Equal(3 * rounds, totals.Drops(DropReason.InHdrError));
    }
}
