using TunnelBox.Visibility.Rings;

namespace TunnelBox.Visibility.Tests.Rings;

/// <summary>Readers that come and go while somebody writes.</summary>
public sealed unsafe class RingTapsTests
{
    [Fact]
    public void Nobody_is_null_and_the_largest_wish_makes_the_room()
    {
        RingTaps taps = new();
        Assert.Null(taps.Set);
        using RingWriter small = new(default, 16, 0, 1, 64 * 1024);
        using RingWriter large = new(default, 64, 32, 1, 64 * 1024);
        Assert.Null(taps.Add(small));
        taps.Add(large)!.Dispose();
        TapSet set = taps.Set!;
        Assert.Equal([small, large], set.Writers);
        Assert.Equal((64, 32), (set.InnerSnap, set.OuterSnap));
        Assert.Equal(96, set.Inner(0, 1) - set.Inner(0, 0));
        Assert.Equal(64 * 96, set.Inner(1, 0) - set.Inner(0, 0));
        Assert.Equal(64, set.Outer(1, 5) - set.Inner(1, 5));
        taps.Remove(large)!.Dispose();
        Assert.Equal(16, taps.Set!.InnerSnap);
        taps.Remove(small)!.Dispose();
        Assert.Null(taps.Set);
    }

    [Theory]
    [InlineData(false, 0ul, DropReason.None, 5ul, DropReason.None, true)]
    [InlineData(true, 0ul, DropReason.None, 5ul, DropReason.None, false)]
    [InlineData(true, 0ul, DropReason.None, 5ul, DropReason.InNoStates, true)]
    [InlineData(false, 6ul, DropReason.None, 5ul, DropReason.None, false)]
    [InlineData(false, 5ul, DropReason.None, 5ul, DropReason.None, true)]
    [InlineData(false, 0ul, DropReason.InHdrError, 5ul, DropReason.InNoStates, false)]
    [InlineData(false, 5ul, DropReason.InHdrError, 5ul, DropReason.InHdrError, true)]
    public void A_filter_takes_what_its_reader_wants(bool dropsOnly, ulong ofPeer, DropReason ofReason, ulong peer, DropReason reason, bool wanted) =>
        Assert.Equal(wanted, new RingFilter(dropsOnly, ofPeer, ofReason).Wants(peer, reason));
}
