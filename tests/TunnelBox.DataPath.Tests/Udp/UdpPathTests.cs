using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Udp;

/// <summary>UDP ports between two namespaces joined by a veth pair.</summary>
[Trait("Needs", "root")]
public sealed unsafe class UdpPathTests : IDisposable
{
    private readonly TestNamespace _a = new();
    private readonly TestNamespace _b = new();
    private readonly List<string> _reports = [];
    private readonly NativeRegion _memory = new(64 * 40000);
    private readonly Burst _burst = new();

    public UdpPathTests()
    {
        _a.Ip("link", "add", "v0", "mtu", "65535", "type", "veth", "peer", "name", "v0", "mtu", "65535", "netns", _b.Name);
        foreach ((TestNamespace space, int host) in new[] { (_a, 1), (_b, 2) })
        {
            space.Ip("address", "add", $"10.8.0.{host}/24", "dev", "v0");
            space.Ip("address", "add", $"fd08::{host}/64", "dev", "v0", "nodad");
            space.Ip("link", "set", "v0", "up");
        }

        // The kernel joins an IPv6 address's multicast group some time after it has the address; until then nobody answers a neighbour's question, which is asked again after a second.
        _a.Exec("ping", "-q", "-c", "1", "-w", "10", "fd08::2");
    }

    public void Dispose()
    {
        _memory.Dispose();
        _a.Dispose();
        _b.Dispose();
    }

    [Theory]
    [InlineData("10.8.0.2")]
    [InlineData("fd08::2")]
    public void Sockets_live_in_another_namespace_and_supers_cross_a_veth_whole(string address)
    {
        using UdpSockets left = Open(_a);
        using UdpSockets right = Open(_b);
        Endpoint to = Packets.Endpoint(address, right.Port);
        Assert.Equal(64, Exchange(left, right, to, 1452, 64));
        Assert.False(to.SegmentationOff);
        Assert.Equal(20, Exchange(left, right, to, 34032, 20));
        Assert.Empty(_reports);
    }

    [Theory]
    [InlineData("10.8.0.2")]
    [InlineData("fd08::2")]
    public void A_narrow_route_turns_segmentation_off_for_its_destination_only(string address)
    {
        _a.Ip("route", "add", address, "dev", "v0", "mtu", "lock", "1400");
        using UdpSockets left = Open(_a);
        using UdpSockets right = Open(_b);
        Endpoint narrow = Packets.Endpoint(address, right.Port);
        Assert.Equal(64, Exchange(left, right, narrow, 1452, 64));
        Assert.True(narrow.SegmentationOff);
        Assert.Equal(64, Exchange(left, right, narrow, 1452, 64));
        Assert.Contains("segment", left.Ports[0].Description, StringComparison.Ordinal);
        Endpoint wide = Packets.Endpoint(address.Contains(':', StringComparison.Ordinal) ? "fd08::2" : "10.8.0.2", right.Port);
        Assert.Equal(30, Exchange(left, right, wide, 1300, 30));
        Assert.False(wide.SegmentationOff);
        Assert.Empty(_reports);
    }

    [Fact]
    public void A_lying_segmentation_offload_is_switched_off_once_and_nothing_is_lost()
    {
        // Without transmit checksums the driver cannot segment: older kernels answer EIO, newer ones do it in software.
        _a.Exec("ethtool", "-K", "v0", "tx", "off");
        using UdpSockets left = Open(_a);
        using UdpSockets right = Open(_b);
        Endpoint to = Packets.Endpoint("10.8.0.2", right.Port);
        Assert.Equal(64, Exchange(left, right, to, 1452, 64));
        Assert.Equal(64, Exchange(left, right, to, 1452, 64));
        Assert.Equal(left.Ports[0].Description.Contains("segment", StringComparison.Ordinal) ? 0 : 1, _reports.Count);
    }

    [Fact]
    public void Without_a_route_packets_are_dropped_with_that_reason()
    {
        using UdpSockets left = Open(_a);
        Assert.Equal(0, Exchange(left, null, Packets.Endpoint("192.0.2.1", 7), 100, 3));
        Assert.All(_burst.Reason.Take(3), reason => Assert.Equal(DropReason.OutNoRoute, reason));
        Assert.Equal(-Definitions.ENETUNREACH, left.SendTo([1], Packets.Endpoint("192.0.2.1", 7), 0));
        Exchange(left, null, Packets.Endpoint("10.8.0.2", 7), 65530, 1, single: true);
        Assert.Equal(DropReason.OutMessageTooLarge, _burst.Reason[0]);
    }

    [Fact]
    public void A_firewall_and_an_impossible_port_have_reasons_of_their_own()
    {
        _a.Exec("iptables", "-A", "OUTPUT", "-p", "udp", "--dport", "9", "-j", "DROP");
        using UdpSockets left = Open(_a);
        Assert.Equal(0, Exchange(left, null, Packets.Endpoint("10.8.0.2", 9), 100, 3));
        Assert.All(_burst.Reason.Take(3), reason => Assert.Equal(DropReason.OutFirewall, reason));
        Assert.Equal(DropReason.OutFirewall, left.SendTo([1], Packets.Endpoint("10.8.0.2", 9), 0, out int error));
        Assert.Equal(-Definitions.EPERM, error);
        Exchange(left, null, Packets.Endpoint("10.8.0.2", 0), 100, 1, single: true);
        Assert.Equal(DropReason.OutPortError, _burst.Reason[0]);
    }

    [Theory]
    [InlineData("10.8.0.2", "10.8.0.77/24")]
    [InlineData("fd08::2", "fd08::77/64")]
    public void A_sticky_source_holds_until_its_address_is_removed(string address, string second)
    {
        _a.Ip("address", "add", second, "dev", "v0", address.Contains(':', StringComparison.Ordinal) ? "nodad" : "noprefixroute");
        using UdpSockets left = Open(_a);
        using UdpSockets right = Open(_b);
        string local = second[..second.IndexOf('/', StringComparison.Ordinal)];
        Endpoint to = Packets.Endpoint(address, right.Port, new SourceAddress(Packets.Address(local), 0));
        Fill(to, 1400, 10);
        left.Ports[0].Send(_burst);
        var first = Packets.Collect(right.Ports[0], 10);
        Assert.Equal(10, first.Count);
        Assert.All(first, packet => Assert.Equal(Packets.Address(local), packet.From.Address));
        Assert.False(to.SourceStale);
        _a.Ip("address", "delete", second, "dev", "v0");
        Fill(to, 1400, 10);
        left.Ports[0].Send(_burst);
        var got = Packets.Collect(right.Ports[0], 10);
        Assert.Equal(10, got.Count);
        Assert.True(to.SourceStale);
        Assert.False(to.SegmentationOff);
        Assert.NotEqual(Packets.Address(local), got[0].From.Address);
    }

    [Fact]
    public void The_firewall_mark_chooses_the_route_and_changes_live()
    {
        using UdpSockets left = Open(_a);
        using UdpSockets right = Open(_b);
        _a.Ip("rule", "add", "fwmark", "77", "prohibit");
        Endpoint to = Packets.Endpoint("10.8.0.2", right.Port);
        Assert.Equal(1, Exchange(left, right, to, 100, 1));
        Assert.Equal(0, left.SetFirewallMark(77));
        Assert.Equal(0, Exchange(left, null, to, 100, 1));
        Assert.Equal(DropReason.OutNoRoute, _burst.Reason[0]);
        Assert.Equal(0, left.SetFirewallMark(0));
        Assert.Equal(1, Exchange(left, right, to, 100, 1));
    }

    [Fact]
    public void Interleaved_destinations_and_marks_all_arrive()
    {
        using UdpSockets left = Open(_a);
        using UdpSockets right = Open(_b);
        Endpoint[] to = [Packets.Endpoint("10.8.0.2", right.Port), Packets.Endpoint("fd08::2", right.Port)];
        _burst.Clear();
        for (int i = 0; i < 64; i++)
        {
            Packets.Add(_burst, _memory.Address + (i * 1500), 1000 + (i / 16), to[(i / 3) & 1], (byte)((i / 5) & 3));
        }

        left.Ports[0].Send(_burst);
        var got = Packets.Collect(right.Ports[0], 64);
        Assert.Equal(64, got.Count);
        for (int family = 0; family < 2; family++)
        {
            int[] sent = [.. Enumerable.Range(0, 64).Where(i => ((i / 3) & 1) == family)];
            Assert.Equal(
                sent.Select(i => (1000 + (i / 16), (byte)((i / 5) & 3))),
                got.Where(p => p.From.IsIPv6 == (family == 1)).Select(p => (p.Data.Length, p.Ecn)));
        }
    }

    private UdpSockets Open(TestNamespace space) =>
        UdpSockets.Open(new UdpSocketOptions { NamespaceFd = space.Descriptor.Value, Report = _reports.Add });

    private void Fill(Endpoint to, int size, int count)
    {
        _burst.Clear();
        for (int i = 0; i < count; i++)
        {
            Random.Shared.NextBytes(new Span<byte>(_memory.Address + (i * 40000), 32));
            Packets.Add(_burst, _memory.Address + (i * 40000), size, to);
        }
    }

    /// <summary>Sends a burst and returns how many arrived, in order and unchanged.</summary>
    private int Exchange(UdpSockets from, UdpSockets? to, Endpoint destination, int size, int count, bool single = false)
    {
        Fill(destination, size, count);
        from.Ports[0].Send(_burst);
        Assert.DoesNotContain(_burst.Verdict.Take(count), verdict => verdict == Verdict.Continue);
        Assert.True(!single || count == 1);
        if (to is null)
        {
            return 0;
        }

        var got = Packets.Collect(to.Ports[0], count);
        for (int i = 0; i < got.Count; i++)
        {
            Assert.True(got[i].Data.AsSpan().SequenceEqual(new ReadOnlySpan<byte>((void*)_burst.Data[i], _burst.Length[i])), $"packet {i}");
        }

        return got.Count;
    }
}
