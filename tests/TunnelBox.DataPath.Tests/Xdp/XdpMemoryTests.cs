using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Both sides of a tunnel on two veth devices, with their frames in one memory.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpMemoryTests : IDisposable
{
    private readonly XdpLab _lab = new();
    private readonly Counters _counters = new();
    private readonly MemoryNode _node = new(new FakeClock(), 1001);
    private readonly MemoryPort _tun = new();

    public XdpMemoryTests()
    {
        // v0 is the outer side; w0 the local network's device, with its host at the other end.
        _lab.Here.Ip("link", "add", "w0", "type", "veth", "peer", "name", "w1", "netns", _lab.There.Name);
        _lab.Here.Ip("addr", "add", "10.7.0.1/24", "dev", "w0");
        _lab.There.Ip("addr", "add", "10.7.0.2/24", "dev", "w1");
        _lab.Here.Ip("link", "set", "w0", "up");
        _lab.There.Ip("link", "set", "w1", "up");
        _lab.There.Ip("route", "add", "10.8.0.0/16", "via", "10.7.0.1", "src", "10.7.0.2");
        _lab.Here.Ip("tuntap", "add", "tun9", "mode", "tun");
        _lab.Here.Ip("link", "set", "tun9", "up");
        using Tunnel.Edit edit = _node.Tunnel.BeginEdit();
        using var other = new MemoryNode(_node.Clock, 1002);
        edit.AddAllowedIp(edit.AddPeer(other.PublicKey), IPNetwork.Parse("10.8.0.0/16"));
    }

    public void Dispose()
    {
        _lab.Dispose();
        _node.Dispose();
        _tun.Dispose();
    }

    [Fact]
    public void A_packet_crosses_without_being_copied_each_way_and_without_allocation() => _lab.Here.Inside(() =>
    {
        var memory = new XdpMemory("v0", "w0");
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets, memory);
        Assert.Null(memory.Note);
        using XdpGateway gateway = Open(memory);
        Assert.Matches("^Frames of v0 and w0 lie in one memory of [0-9]+ MiB: a packet leaves in the frame it came in[.]$", memory.Note);
        using Socket host = _lab.Peer(IPEndPoint.Parse("10.7.0.2:4000"));
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        var endpoint = new Endpoint(EndpointAddress.From(IPEndPoint.Parse("10.9.0.2:4000")), default);
        Resolve(outer.Ports[0], gateway.Ports[0], host, peer, endpoint);
        long copied = outer.ReadQueues()[0].Copied + gateway.ReadQueues()[0].Copied;
        byte[] payload = new byte[1000];
        System.Net.SocketAddress inward = IPEndPoint.Parse("10.8.0.5:5000").Serialize();
        System.Net.SocketAddress outward = IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}").Serialize();
        byte[] packet = InnerPackets.IPv4("10.8.0.5", "10.7.0.2", 500);
        var burst = new Burst();
        long allocated = 0;
        int crossed = 0;
        for (int round = 0; round < 400; round++)
        {
            for (int i = 0; i < 16; i++)
            {
                host.SendTo(payload, SocketFlags.None, inward);
                peer.SendTo(packet, SocketFlags.None, outward);
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            crossed += Pump(gateway.Ports[0], outer.Ports[0], burst, endpoint, 16) + Pump(outer.Ports[0], gateway.Ports[0], burst, null, 16);
            allocated += round < 50 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(400 * 32, crossed);
        Assert.Equal(0, allocated);
        Assert.Equal(copied, outer.ReadQueues()[0].Copied + gateway.ReadQueues()[0].Copied);
        Assert.InRange(outer.ReadQueues()[0].Direct, 400 * 16, long.MaxValue);
        Assert.InRange(gateway.ReadQueues()[0].Direct, 400 * 16, long.MaxValue);
        AssertAccounted(outer, gateway);
        Assert.Equal(0, _counters.Read().AllDrops);
    });

    [Fact]
    public void Either_side_closes_and_comes_back_while_the_other_one_goes_on() => _lab.Here.Inside(() =>
    {
        var memory = new XdpMemory("v0", "w0");
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using Socket host = _lab.Peer(IPEndPoint.Parse("10.7.0.2:4000"));
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        var endpoint = new Endpoint(EndpointAddress.From(IPEndPoint.Parse("10.9.0.2:4000")), default);
        XdpOuter outer = Open(sockets, memory);
        XdpGateway gateway = Open(memory);
        try
        {
            for (int round = 0; round < 6; round++)
            {
                Resolve(outer.Ports[0], gateway.Ports[0], host, peer, endpoint);
                var burst = new Burst();
                for (int i = 0; i < 16; i++)
                {
                    host.SendTo(new byte[100], IPEndPoint.Parse("10.8.0.5:5000"));
                }

                Assert.Equal(16, Pump(gateway.Ports[0], outer.Ports[0], burst, endpoint, 16));
                Assert.Contains("one memory", memory.Note, StringComparison.Ordinal);
                AssertAccounted(outer, gateway);
                switch (round)
                {
                    case 0 or 2:
                        outer.Dispose();
                        outer = Open(sockets, memory);
                        break;
                    case 1:
                        gateway.Dispose();
                        gateway = Open(memory);
                        break;
                    case 3:
                        // The device whose socket had registered the memory is gone: another one lends it.
                        _lab.Here.Ip("link", "del", "v0");
                        _lab.Here.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", _lab.There.Name);
                        _lab.Here.Ip("addr", "add", "10.9.0.1/24", "dev", "v0");
                        _lab.There.Ip("addr", "add", "10.9.0.2/24", "dev", "v1");
                        _lab.Here.Ip("link", "set", "v0", "up");
                        _lab.There.Ip("link", "set", "v1", "up");
                        outer.Dispose();
                        outer = Open(sockets, memory);
                        break;
                    case 4:
                        outer.Dispose();
                        gateway.Dispose();
                        Assert.Null(memory.Note);
                        outer = Open(sockets, memory);
                        gateway = Open(memory);
                        break;
                }
            }
        }
        finally
        {
            outer.Dispose();
            gateway.Dispose();
        }
    });

    [Fact]
    public void A_device_that_needs_more_than_was_mapped_has_memory_of_its_own_and_that_is_told() => _lab.Here.Inside(() =>
    {
        var memory = new XdpMemory("v0");
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using XdpOuter outer = Open(sockets, memory);
        using (XdpGateway gateway = Open(memory))
        {
            Assert.Equal(
                "Packets between v0 and w0 are copied: their common memory is too small for the queues there are now; close and open both sides.", memory.Note);
            using Socket host = _lab.Peer(IPEndPoint.Parse("10.7.0.2:4000"));
            using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
            Resolve(outer.Ports[0], gateway.Ports[0], host, peer, new Endpoint(EndpointAddress.From(IPEndPoint.Parse("10.9.0.2:4000")), default));
            Assert.Equal(0, outer.ReadQueues()[0].Direct + gateway.ReadQueues()[0].Direct);
            AssertAccounted(outer, gateway);
        }

        Assert.Null(memory.Note);
    });

    // The pipeline between, without the cipher: what came in is given the other way on, where it lies.
    private static int Pump(IPort from, IPort to, Burst burst, Endpoint? endpoint, int count)
    {
        int crossed = 0;
        long until = Environment.TickCount64 + 2000;
        while (crossed < count && Environment.TickCount64 < until)
        {
            burst.Clear();
            int got = from.Receive(burst);
            for (int i = 0; i < got; i++)
            {
                burst.Destination[i] = endpoint;
            }

            to.Send(burst);
            for (int i = 0; i < got; i++)
            {
                crossed += burst.Verdict[i] == Verdict.Done ? 1 : 0;
            }
        }

        burst.Clear();
        return crossed;
    }

    // Until both ways are known: both hosts are reached past the sockets and the TUN device.
    private void Resolve(IPort outer, IPort inner, Socket host, Socket peer, Endpoint endpoint)
    {
        var toTun = 0;
        _tun.Sent = (_, _, _) => toTun++;
        var burst = new Burst();
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    _lab.Here.Exec("ping", "-c", "1", "-W", "2", "10.7.0.2");
                    _lab.Here.Exec("ping", "-c", "1", "-W", "2", "10.9.0.2");
                    toTun = 0;
                    long before = KernelSent();
                    host.SendTo([1], IPEndPoint.Parse("10.8.0.5:5000"));
                    bool passed = Pump(inner, outer, burst, endpoint, 1) == 1;
                    peer.SendTo(InnerPackets.IPv4("10.8.0.5", "10.7.0.2"), IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}"));
                    return (Pump(outer, inner, burst, null, 1) == 1) & passed && toTun == 0 && KernelSent() == before;
                },
                8000),
            "the ways are not found");
    }

    private static long KernelSent() => long.Parse(
        File.ReadLines("/proc/thread-self/net/snmp").Last(l => l.StartsWith("Udp:", StringComparison.Ordinal)).Split(' ')[4], System.Globalization.CultureInfo.InvariantCulture);

    private static void AssertAccounted(XdpOuter outer, XdpGateway gateway)
    {
        var burst = new Burst();
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    foreach (IPort port in new[] { outer.Ports[0], gateway.Ports[0] })
                    {
                        burst.Clear();
                        port.Receive(burst);
                        burst.Clear();
                        port.Send(burst);
                    }

                    return outer.AllFramesAccountedFor && gateway.AllFramesAccountedFor;
                },
                3000),
            "frames are missing");
    }

    private XdpOuter Open(UdpSockets sockets, XdpMemory memory) => XdpOuter.Open(
        new XdpOuterOptions("v0", 0) { Counters = _counters.AddBlock("xdp"), Memory = memory, Ended = static (_, _) => { } }, sockets);

    private XdpGateway Open(XdpMemory memory) => XdpGateway.Open(
        new XdpGatewayOptions("w0", XdpOuter.IndexOf("tun9"), 1400)
        {
            Counters = _counters.AddBlock("lan"),
            AllowedIps = () => _node.Tunnel.AllowedIps,
            Memory = memory,
            Ended = static (_, _) => { },
        },
        [_tun]);
}
