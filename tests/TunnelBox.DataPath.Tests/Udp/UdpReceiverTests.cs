using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Udp;

/// <summary>What a receiver does with datagrams that no UDP socket of today delivers.</summary>
public sealed unsafe class UdpReceiverTests
{
    [Fact]
    public void A_datagram_larger_than_any_buffer_is_dropped_as_truncated()
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, LibC.socketpair(Definitions.AF_UNIX, Definitions.SOCK_DGRAM | Definitions.SOCK_NONBLOCK, 0, pair));
        using var left = new FileDescriptor(pair[0]);
        using var right = new FileDescriptor(pair[1]);
        using var bytes = new NativeRegion(70_000);
        Assert.Equal(70_000, LibC.write(pair[0], bytes.Address, 70_000));
        using var receiver = new UdpReceiver(pair[1], isIPv6: false);
        var burst = new Burst();
        receiver.Receive(burst);
        Assert.Equal(1, burst.Count);
        Assert.Equal(Verdict.Dropped, burst.Verdict[0]);
        Assert.Equal(DropReason.InTruncated, burst.Reason[0]);
    }
}
