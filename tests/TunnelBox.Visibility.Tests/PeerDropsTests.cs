namespace TunnelBox.Visibility.Tests;

public sealed class PeerDropsTests
{
    [Fact]
    public void A_peer_that_never_dropped_costs_no_memory()
    {
        var peers = new PeerDrops[100_000];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < peers.Length; i++)
        {
            peers[i].Count(PeerDrops.Control, DropReason.None, 1, 1);
            peers[i].Count(1, (DropReason)255, 1, 1);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.All(peers, peer => Assert.False(peer.Any));
        Assert.Equal(IntPtr.Size, System.Runtime.CompilerServices.Unsafe.SizeOf<PeerDrops>());
    }

    [Fact]
    public void One_that_drops_allocates_once_and_stays_below_its_share()
    {
        // The order of the cells is made once, for all peers.
        PeerDrops other = default;
        other.Count(1, DropReason.InStateSeqError, 1, 100);
        PeerDrops peer = default;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            peer.Count(1, DropReason.InStateSeqError, 1, 100);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 1024);
        Assert.Equal(1000, peer.Read().Drops(DropReason.InStateSeqError));
        Assert.Equal(100_000, peer.Read().DropBytes(DropReason.InStateSeqError));
    }

    [Fact]
    public void Every_reason_that_a_peer_can_have_is_counted_and_what_only_a_device_knows_is_not()
    {
        PeerDrops peer = default;
        foreach (DropReasonDescription each in DropReasons.All)
        {
            peer.Count(1, each.Reason, (int)each.Reason, 1);
        }

        CounterTotals totals = peer.Read();
        Assert.All(DropReasons.All, each => Assert.Equal(DropReasons.IsOfDevice(each.Reason) ? 0 : (int)each.Reason, totals.Drops(each.Reason)));
        Assert.All(DropReasons.All, each => Assert.Equal(each.Name.Contains("Xdp", StringComparison.Ordinal), DropReasons.IsOfDevice(each.Reason)));
    }

    [Fact]
    public void Writers_do_not_lose_each_others_counts()
    {
        const int rounds = 200_000;
        var holder = new Holder();
        Thread[] writers = [.. Enumerable.Range(0, 3).Select(writer => new Thread(() =>
        {
            for (int i = 0; i < rounds; i++)
            {
                holder.Drops.Count(writer, DropReason.OutNoEndpoint, 1, 2);
            }
        }))];
        Array.ForEach(writers, writer => writer.Start());
        Array.ForEach(writers, writer => writer.Join());
        Assert.Equal(3 * rounds, holder.Drops.Read().Drops(DropReason.OutNoEndpoint));
        Assert.Equal(6 * rounds, holder.Drops.Read().DropBytes(DropReason.OutNoEndpoint));
    }

    private sealed class Holder
    {
        private PeerDrops _drops;

        public ref PeerDrops Drops => ref _drops;
    }
}
