using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>The arithmetic; that the kernel counts so is in <see cref="XdpSocketTests"/>.</summary>
public sealed class XdpDropsTests
{
    [Fact]
    public void Only_what_has_grown_counts_and_a_frame_counts_once()
    {
        var counters = new Counters();
        XdpDrops.Count(
            counters.AddBlock("xdp"),
            new xdp_statistics { rx_dropped = 9, rx_fill_ring_empty_descs = 4, rx_ring_full = 5, tx_invalid_descs = 2, tx_ring_empty_descs = 1000 },
            new xdp_statistics { rx_dropped = 2, rx_fill_ring_empty_descs = 3, rx_ring_full = 5, tx_invalid_descs = 1 });
        CounterTotals totals = counters.Read();
        Assert.Equal(6, totals.Drops(DropReason.InXdpRefused));
        Assert.Equal(1, totals.Drops(DropReason.InXdpNoFrame));
        Assert.Equal(0, totals.Drops(DropReason.InXdpRingFull));
        Assert.Equal(1, totals.Drops(DropReason.OutXdpBadDescriptor));
        Assert.Equal(8, totals.AllDrops);
    }

    [Fact]
    public void On_the_inner_side_the_directions_are_the_other_ones()
    {
        var counters = new Counters();
        XdpDrops.Count(
            counters.AddBlock("xdp"), new xdp_statistics { rx_dropped = 9, rx_fill_ring_empty_descs = 4, rx_ring_full = 5, tx_invalid_descs = 2 }, default, isInner: true);
        CounterTotals totals = counters.Read();
        Assert.Equal(5, totals.Drops(DropReason.OutXdpRefused));
        Assert.Equal(4, totals.Drops(DropReason.OutXdpNoFrame));
        Assert.Equal(5, totals.Drops(DropReason.OutXdpRingFull));
        Assert.Equal(2, totals.Drops(DropReason.InXdpBadDescriptor));
        Assert.Equal(16, totals.AllDrops);
    }

    [Theory]
    [InlineData(false, DropReason.OutXdpNotSent, DropReason.InXdpRedirectFailed)]
    [InlineData(true, DropReason.InXdpNotSent, DropReason.OutXdpRedirectFailed)]
    public void What_the_device_threw_away_and_what_reached_no_socket_has_a_name_on_both_sides(bool isInner, DropReason notSent, DropReason failed)
    {
        var counters = new Counters();
        CounterBlock block = counters.AddBlock("xdp");
        XdpDrops.CountRefused(block, 7, 4, isInner);
        XdpDrops.CountRedirects(block, 9, 4, isInner);
        CounterTotals totals = counters.Read();
        Assert.Equal(3, totals.Drops(notSent));
        Assert.Equal(5, totals.Drops(failed));
        Assert.Equal(8, totals.AllDrops);
    }
}
