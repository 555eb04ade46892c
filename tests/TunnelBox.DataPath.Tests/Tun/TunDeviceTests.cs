using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Tun;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Tun;

[Trait("Needs", "root")]
public sealed unsafe class TunDeviceTests
{
    [Fact]
    public void Failures_are_sentences_that_name_the_remedy()
    {
        using var space = new TestNamespace();
        space.Inside(() =>
        {
            using TunDevice first = TunDevice.Create(new TunOptions { Name = "tb0" });
            AssertFailure("tb0", Definitions.EBUSY, "another name");
            AssertFailure("lo", Definitions.EINVAL, "no TUN");
            AssertFailure("a name", Definitions.EINVAL, "interface name");
            AssertFailure("0123456789abcdef", Definitions.EINVAL, "15 bytes");
            AssertFailure(string.Empty, Definitions.EINVAL, "interface name");
            AssertFailure("a/b", Definitions.EINVAL, "interface name");
        });
    }

    [Fact]
    public void The_kernel_numbers_a_name_and_several_queues_share_the_interface()
    {
        using var space = new TestNamespace();
        space.Inside(() =>
        {
            using TunDevice device = TunDevice.Create(new TunOptions { Name = "tb%d", Queues = 3 });
            Assert.Equal("tb0", device.Name);
            Assert.Equal(3, device.Ports.Count);
            Assert.Contains("tun tb0 vnet_hdr csum tso4 tso6", device.Ports[2].Description, StringComparison.Ordinal);
            Assert.Equal(0, device.SetMtu(34000));
            Assert.Equal(34000, device.Mtu);
            Assert.True(device.InterfaceIndex > 0);
            Assert.True(device.SetMtu(10) < 0);
        });
    }

    [Fact]
    public void A_moved_and_renamed_interface_is_still_known_and_a_deleted_one_is_gone()
    {
        using var space = new TestNamespace();
        using var other = new TestNamespace();
        TunDevice? made = null;
        space.Inside(() => made = TunDevice.Create(new TunOptions { Name = "tb0" }));
        using TunDevice device = made!;
        space.Ip("link", "set", "tb0", "netns", other.Name);
        other.Ip("link", "set", "tb0", "name", "moved", "mtu", "1300");
        Assert.Equal("moved", device.Name);
        Assert.Equal(1300, device.Mtu);
        var burst = new Burst();
        device.Ports[0].Receive(burst);
        Assert.False(device.Gone);
        Assert.Equal(0, Poll(device));
        other.Ip("link", "delete", "moved");
        Assert.NotEqual(0, Poll(device) & Definitions.POLLERR);
        burst.Clear();
        Assert.Equal(0, device.Ports[0].Receive(burst));
        Assert.True(device.Gone);
        Assert.Equal(string.Empty, device.Name);
        Assert.Equal(0, device.InterfaceIndex);
    }

    [Fact]
    public void Writing_to_an_interface_that_is_down_drops_with_a_reason()
    {
        using var space = new TestNamespace();
        space.Inside(() =>
        {
            using TunDevice device = TunDevice.Create(new TunOptions { Name = "tb0" });
            using var memory = new NativeRegion(4096);
            var burst = new Burst();
            byte[] packet = PacketMaker.Make(new Random(1), v6: false, udp: true, 50, 0, 0, out _);
            packet.CopyTo(new Span<byte>(memory.Address + 64, packet.Length));
            Packets.Add(burst, memory.Address + 64, packet.Length, null);
            device.Ports[0].Send(burst);
            Assert.Equal(DropReason.InPortError, burst.Reason[0]);
            Assert.False(device.Gone);
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_open_descriptor_is_taken_over(bool header)
    {
        using var space = new TestNamespace();
        space.Inside(() =>
        {
            int fd = OpenTun("tb7", Definitions.IFF_TUN | Definitions.IFF_NO_PI | (header ? Definitions.IFF_VNET_HDR : 0));
            var reports = new List<string>();
            using TunDevice device = TunDevice.Adopt(fd, offloads: true, reports.Add);
            Assert.Equal("tb7", device.Name);
            Assert.Equal(header, device.OffloadDescription.Contains("tso4", StringComparison.Ordinal));
            Assert.Equal(header ? 0 : 1, reports.Count);
        });
    }

    [Fact]
    public void A_wrong_descriptor_is_refused()
    {
        using var space = new TestNamespace();
        space.Inside(() =>
        {
            var problem = Assert.Throws<PortException>(() => TunDevice.Adopt(LibC.eventfd(0, 0), offloads: true, null));
            Assert.Contains("TUNSETIFF", problem.Message, StringComparison.Ordinal);
            problem = Assert.Throws<PortException>(() => TunDevice.Adopt(OpenTun("tb8", Definitions.IFF_TAP | Definitions.IFF_NO_PI), offloads: true, null));
            Assert.Contains("IFF_TUN", problem.Message, StringComparison.Ordinal);
        });
    }

    private static int OpenTun(string name, int flags)
    {
        FileDescriptor queue = FileDescriptor.Open("/dev/net/tun", Definitions.O_RDWR, out int error)!;
        Assert.Equal(0, error);
        Assert.Equal(0, TunControl.Attach(queue, ref name, flags));
        int copy = LibC.dup(queue.Value);
        queue.Dispose();
        return copy;
    }

    private static int Poll(TunDevice device)
    {
        pollfd poll = new() { fd = device.Descriptor.Value, events = Definitions.POLLIN };
        timespec now = default;
        _ = LibC.ppoll(&poll, 1, &now);
        return poll.revents;
    }

    private static void AssertFailure(string name, int errno, string text)
    {
        var problem = Assert.Throws<PortException>(() => TunDevice.Create(new TunOptions { Name = name }));
        Assert.Equal(errno, problem.Errno);
        Assert.Contains(text, problem.Message, StringComparison.Ordinal);
    }
}
