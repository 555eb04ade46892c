using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>The whole outer side on a veth, against a plain UDP socket whose kernel checks every checksum.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpOuterTests : IDisposable
{
    private readonly XdpLab _lab = new();
    private readonly Counters _counters = new();
    private int _gone;

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData("10.9.0.1", "10.9.0.2")]
    [InlineData("fd09::1", "fd09::2")]
    public void Datagrams_of_every_length_go_both_ways_past_the_kernel(string here, string there) => _lab.Here.Inside(() =>
    {
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets);
        using Socket peer = _lab.Peer(new IPEndPoint(IPAddress.Parse(there), 4000));
        IPort port = outer.Ports[0];
        var endpoint = new Endpoint(EndpointAddress.From((IPEndPoint)peer.LocalEndPoint!), default);
        Assert.StartsWith("xdp v0 copy, udp 51820", port.Description, StringComparison.Ordinal);

        // The first one has no way yet: the socket takes it, and the kernel resolves the neighbour.
        Send(port, endpoint, [1, 2, 3]);
        Assert.Equal([1, 2, 3], Take(peer, out _));
        WaitForWay(port, peer, endpoint);

        long before = SentByTheKernel(here);
        for (int length = 0; length <= 1420; length += length < 70 ? 1 : 90)
        {
            byte[] payload = Payload(length);
            Send(port, endpoint, payload);
            Assert.Equal(payload, Take(peer, out IPEndPoint from));
            Assert.Equal(IPEndPoint.Parse($"{(here.Contains(':', StringComparison.Ordinal) ? $"[{here}]" : here)}:{XdpLab.Port}"), from);
            peer.SendTo(payload, from);
            Burst burst = Receive(port);
            Assert.Equal(payload, new ReadOnlySpan<byte>((void*)burst.Data[0], burst.Length[0]).ToArray());
            Assert.Equal(endpoint.Remote, burst.From[0]);
            Assert.Equal(new SourceAddress(EndpointAddress.From(from).Address, XdpOuter.IndexOf("v0")), burst.To[0]);
        }

        Assert.Equal(before, SentByTheKernel(here));

        // Too large for the device: the kernel sends it in fragments, and takes fragments.
        byte[] large = Payload(4000);
        Send(port, endpoint, large);
        Assert.Equal(large, Take(peer, out IPEndPoint back));
        peer.SendTo(large, back);
        Burst whole = Receive(port);
        Assert.Equal(large, new ReadOnlySpan<byte>((void*)whole.Data[0], whole.Length[0]).ToArray());
        AssertAccounted(outer, port);
        Assert.Equal(0, _counters.Read().AllDrops);
    });

    [Theory]
    [InlineData("10.9.0.1", "10.9.0.2")]
    [InlineData("fd09::1", "fd09::2")]
    public void Datagrams_of_an_MTU_of_9000_go_both_ways_past_the_kernel(string here, string there) => _lab.Here.Inside(() =>
    {
        _lab.Here.Ip("link", "set", "v0", "mtu", "9000");
        _lab.There.Ip("link", "set", "v1", "mtu", "9000");
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets);
        using Socket peer = _lab.Peer(new IPEndPoint(IPAddress.Parse(there), 4000));
        IPort port = outer.Ports[0];
        var endpoint = new Endpoint(EndpointAddress.From((IPEndPoint)peer.LocalEndPoint!), default);
        WaitForWay(port, peer, endpoint);
        int headers = peer.AddressFamily == AddressFamily.InterNetwork ? 28 : 48;
        long sent = SentByTheKernel(here);
        foreach (int length in (int[])[1000, 3700, 3738, 3739, 3750, 3751, 3930, 3968, 3969, 4096, 7500, 7543, 7936, 7937, 8971 - 20, 9000 - headers])
        {
            byte[] payload = Payload(length);
            Send(port, endpoint, payload, [1], payload);
            Assert.Equal(payload, Take(peer, out IPEndPoint from));
            Assert.Equal([1], Take(peer, out _));
            Assert.Equal(payload, Take(peer, out _));
            peer.SendTo(payload, from);
            Burst burst = Receive(port);
            Assert.Equal((length, Verdict.Continue), (burst.Length[0], burst.Verdict[0]));
            Assert.Equal(payload, new ReadOnlySpan<byte>((void*)burst.Data[0], burst.Length[0]).ToArray());
            Assert.Equal(endpoint.Remote, burst.From[0]);
            Assert.True(burst.Hints[0].IsPlainDatagram, $"{length} bytes come without hints");
        }

        Assert.Equal(sent, SentByTheKernel(here));
        AssertAccounted(outer, port);
        Assert.Equal(0, _counters.Read().AllDrops);
        Assert.DoesNotContain(outer.Notes, note => note.Contains("several chunks", StringComparison.Ordinal));
        Assert.False(outer.DeviceSums, "netdev says that veth sums nothing");
    });

    [Theory]
    [InlineData("10.9.0.2")]
    [InlineData("fd09::2")]
    public void A_device_that_finishes_checksums_is_asked_to(string there) => _lab.Here.Inside(() =>
    {
        // veth takes the request in copy mode though its driver offers nothing; without its offload the kernel does what a card would.
        _lab.Here.Exec("ethtool", "-K", "v0", "tx", "off");
        _lab.Here.Ip("link", "set", "v0", "mtu", "9000");
        _lab.There.Ip("link", "set", "v1", "mtu", "9000");
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets);
        using Socket peer = _lab.Peer(new IPEndPoint(IPAddress.Parse(there), 4000));
        IPort port = outer.Ports[0];
        var endpoint = new Endpoint(EndpointAddress.From((IPEndPoint)peer.LocalEndPoint!), default);
        WaitForWay(port, peer, endpoint);
        outer.LetDeviceSum(true);
        Assert.Contains("v0 finishes the checksums of datagrams.", outer.Notes);
        long sent = SentByTheKernel(there);
        for (int length = 0; length < 8900; length += length < 30 ? 1 : 397)
        {
            byte[] payload = Payload(length);
            Send(port, endpoint, payload);
            Assert.Equal(payload, Take(peer, out _));
        }

        Assert.Equal(sent, SentByTheKernel(there));
        AssertAccounted(outer, port);
        Assert.Equal(0, _counters.Read().AllDrops);
    });

    [Fact]
    public void Full_bursts_arrive_in_order_and_without_loss() => _lab.Here.Inside(() =>
    {
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets);
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        IPort port = outer.Ports[0];
        var endpoint = new Endpoint(EndpointAddress.From(IPEndPoint.Parse("10.9.0.2:4000")), default);
        WaitForWay(port, peer, endpoint);
        int next = 0;
        for (int round = 0; round < 100; round++)
        {
            byte[][] numbered = [.. Enumerable.Range(round * Burst.Capacity, Burst.Capacity).Select(Numbered)];
            Send(port, endpoint, numbered);
            for (int i = 0; i < Burst.Capacity; i++)
            {
                Assert.Equal(next++, BinaryPrimitives.ReadInt32LittleEndian(Take(peer, out _)));
            }
        }

        next = 0;
        var to = IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}");
        for (int round = 0; round < 100; round++)
        {
            for (int i = 0; i < Burst.Capacity; i++)
            {
                peer.SendTo(Numbered((round * Burst.Capacity) + i), to);
            }

            for (int got = 0; got < Burst.Capacity;)
            {
                Burst burst = Receive(port);
                for (int i = 0; i < burst.Count; i++, got++)
                {
                    Assert.Equal(next++, *(int*)burst.Data[i]);
                }
            }
        }

        AssertAccounted(outer, port);
    });

    [Fact]
    public void Changes_of_the_neighbour_the_route_and_the_link_are_followed() => _lab.Here.Inside(() =>
    {
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets);
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        IPort port = outer.Ports[0];
        var endpoint = new Endpoint(EndpointAddress.From(IPEndPoint.Parse("10.9.0.2:4000")), default);
        WaitForWay(port, peer, endpoint);

        // Another MAC: the kernel learns it when the old one does not answer, or at once from an announcement.
        _lab.There.Ip("link", "set", "v1", "address", "02:00:00:00:00:77");
        _lab.Here.Ip("neigh", "replace", "10.9.0.2", "lladdr", "02:00:00:00:00:77", "dev", "v0", "nud", "reachable");
        WaitForWay(port, peer, endpoint);

        // An address that comes later is listened on, and one that goes is left.
        _lab.Here.Ip("addr", "add", "10.9.0.9/24", "dev", "v0");
        long kernel = ReceivedByTheKernel();
        Assert.True(SpinWait.SpinUntil(() => ArrivesPastTheKernel(peer, port, "10.9.0.9"), 3000));
        _lab.Here.Ip("addr", "del", "10.9.0.9/24", "dev", "v0");
        Assert.True(ReceivedByTheKernel() >= kernel);

        // A smaller MTU on the route: the kernel breaks the datagram up.
        _lab.Here.Ip("route", "add", "10.9.0.2/32", "dev", "v0", "mtu", "600");
        Thread.Sleep(200);
        long sent = SentByTheKernel("10.9.0.1");
        Send(port, endpoint, Payload(1000));
        Assert.Equal(Payload(1000), Take(peer, out _));
        Assert.Equal(sent + 1, SentByTheKernel("10.9.0.1"));

        // Without the link nothing gets lost in a ring: the kernel says that there is no way.
        _lab.Here.Ip("link", "set", "v0", "down");
        Thread.Sleep(200);
        var burst = new Burst { Count = 1 };
        byte[] bytes = Payload(10);
        fixed (byte* data = bytes)
        {
            burst.Data[0] = (nint)data;
            burst.Length[0] = 10;
            burst.Destination[0] = endpoint;
            port.Send(burst);
        }

        Assert.Equal(DropReason.OutNoRoute, burst.Reason[0]);
        _lab.Here.Ip("link", "set", "v0", "up");
        WaitForWay(port, peer, endpoint);
        AssertAccounted(outer, port);
    });

    [Fact]
    public void A_deleted_device_is_told_once_and_the_sockets_carry_on() => _lab.Here.Inside(() =>
    {
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets);
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        IPort port = outer.Ports[0];
        var endpoint = new Endpoint(EndpointAddress.From(IPEndPoint.Parse("10.9.0.2:4000")), default);
        WaitForWay(port, peer, endpoint);
        _lab.Here.Ip("link", "del", "v0");
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _gone) == 1, 3000));
        _lab.Here.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", _lab.There.Name);
        _lab.Here.Ip("addr", "add", "10.9.0.1/24", "dev", "v0");
        _lab.There.Ip("addr", "add", "10.9.0.2/24", "dev", "v1");
        _lab.Here.Ip("link", "set", "v0", "up");
        _lab.There.Ip("link", "set", "v1", "up");
        Send(port, endpoint, [7]);
        Assert.Equal([7], Take(peer, out _));
        using XdpOuter again = Open(sockets);
        WaitForWay(again.Ports[0], peer, endpoint);
        AssertAccounted(again, again.Ports[0]);
        Assert.Equal(1, _gone);
    });

    [Fact]
    public void What_is_no_ethernet_device_is_refused_with_a_sentence() => _lab.Here.Inside(() =>
    {
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        foreach ((string device, string sentence) in new[] { ("lo", "it is no Ethernet device"), ("nothing0", "there is no such device") })
        {
            PortException refused = Assert.Throws<PortException>(() => Open(sockets, device).Dispose());
            Assert.StartsWith($"no XDP on {device}: {sentence}", refused.Message, StringComparison.Ordinal);
        }
    });

    private static byte[] Payload(int length)
    {
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        return payload;
    }

    private static byte[] Numbered(int number)
    {
        byte[] payload = new byte[200];
        BinaryPrimitives.WriteInt32LittleEndian(payload, number);
        return payload;
    }

    private static void Send(IPort port, Endpoint endpoint, params byte[][] payloads)
    {
        var burst = new Burst { Count = payloads.Length };
        byte[] all = [.. payloads.SelectMany(payload => payload), 0];
        fixed (byte* data = all)
        {
            int offset = 0;
            for (int i = 0; i < payloads.Length; i++)
            {
                burst.Data[i] = (nint)(data + offset);
                burst.Length[i] = payloads[i].Length;
                burst.Destination[i] = endpoint;
                offset += payloads[i].Length;
            }

            port.Send(burst);
        }

        for (int i = 0; i < payloads.Length; i++)
        {
            Assert.True(burst.Verdict[i] == Verdict.Done, burst.Reason[i].ToString());
        }
    }

    private static byte[] Take(Socket peer, out IPEndPoint from)
    {
        byte[] buffer = new byte[65536];
        EndPoint sender = new IPEndPoint(peer.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        int length = peer.ReceiveFrom(buffer, ref sender);
        from = (IPEndPoint)sender;
        return buffer[..length];
    }

    private static Burst Receive(IPort port)
    {
        var burst = new Burst();
        Assert.True(SpinWait.SpinUntil(() => port.Receive(burst) > 0, 3000), "nothing arrives");
        return burst;
    }

    // Until a datagram leaves without the kernel's UDP having counted it.
    private static void WaitForWay(IPort port, Socket peer, Endpoint endpoint)
    {
        bool past = false;
        string family = endpoint.Remote.IsIPv6 ? "::" : "0";
        for (int attempt = 0; attempt < 60 && !past; attempt++)
        {
            // What is sent while a change is on its way to the finder may get lost, as on any network.
            long before = SentByTheKernel(family);
            Send(port, endpoint, [9]);
            past = peer.Poll(100_000, SelectMode.SelectRead) && Take(peer, out _) is [9] && SentByTheKernel(family) == before;
            Thread.Sleep(past ? 0 : 50);
        }

        while (peer.Poll(50_000, SelectMode.SelectRead))
        {
            Assert.Equal([9], Take(peer, out _));
        }

        Assert.True(past, "the datagrams still go by the socket, or nowhere");
    }

    private static bool ArrivesPastTheKernel(Socket peer, IPort port, string address)
    {
        long before = ReceivedByTheKernel();
        peer.SendTo([5], IPEndPoint.Parse($"{address}:{XdpLab.Port}"));
        Burst burst = Receive(port);
        Thread.Sleep(20);
        return burst.Count == 1 && ReceivedByTheKernel() == before;
    }

    private static long SentByTheKernel(string family) => family.Contains(':', StringComparison.Ordinal)
        ? long.Parse(File.ReadLines("/proc/thread-self/net/snmp6").First(l => l.StartsWith("Udp6OutDatagrams", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
        : Snmp(4);

    private static long ReceivedByTheKernel() => Snmp(1);

    private static long Snmp(int column) => long.Parse(
        File.ReadLines("/proc/thread-self/net/snmp").Last(l => l.StartsWith("Udp:", StringComparison.Ordinal)).Split(' ')[column], CultureInfo.InvariantCulture);

    private static void AssertAccounted(XdpOuter outer, IPort port)
    {
        var burst = new Burst();
        Assert.True(SpinWait.SpinUntil(() => port.Receive(burst) == 0 && outer.AllFramesAccountedFor, 3000), "frames are missing");
    }

    private XdpOuter Open(UdpSockets sockets, string device = "v0") => XdpOuter.Open(
        new XdpOuterOptions(device, 0) { Counters = _counters.AddBlock("xdp"), Ended = (end, _) => Interlocked.Add(ref _gone, end == XdpEnd.Gone ? 1 : 100) }, sockets);
}
