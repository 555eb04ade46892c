using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Several outer sides on one veth, as tunnels of one process have them.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpDevicesTests : IDisposable
{
    private const int SecondPort = XdpLab.Port + 1;
    private readonly XdpLab _lab = new(queues: 2);
    private readonly Counters _counters = new();
    private readonly XdpDevices _devices = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public void Each_tunnel_gets_what_comes_to_its_port_and_sends_from_it() => _lab.Here.Inside(() =>
    {
        using UdpSockets firstSockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using UdpSockets secondSockets = UdpSockets.Open(new UdpSocketOptions { Port = SecondPort });
        using XdpOuter first = Open(firstSockets, "one");
        using XdpOuter second = Open(secondSockets, "two");
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        var endpoint = new Endpoint(EndpointAddress.From((IPEndPoint)peer.LocalEndPoint!), default);
        Assert.Contains(first.Notes, note => note.Contains("shared with other tunnels", StringComparison.Ordinal));
        Assert.Contains("no card steers where several tunnels share a device", second.SteeringChoice, StringComparison.Ordinal);
        AwaitPast(first, peer, XdpLab.Port, endpoint);
        AwaitPast(second, peer, SecondPort, endpoint);

        // More than there are frames of either kind, so that all have gone round.
        int rounds = 2 * first.ReadQueues()[0].Total / 32;
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < 32; i++)
            {
                peer.SendTo(Initiation(1), new IPEndPoint(IPAddress.Parse("10.9.0.1"), XdpLab.Port));
                peer.SendTo(Initiation(2), new IPEndPoint(IPAddress.Parse("10.9.0.1"), SecondPort));
            }

            Assert.All(Take(first.Ports[0], 32), each => Assert.Equal((1, 148), each));
            Assert.All(Take(second.Ports[0], 32), each => Assert.Equal((2, 148), each));
            Send(first.Ports[0], endpoint, 16);
            Send(second.Ports[0], endpoint, 16);
            ExpectFrom(peer, (XdpLab.Port, 16), (SecondPort, 16));
        }

        Settle(first);
        Settle(second);
        Assert.Equal(0, _counters.Read().AllDrops);
    });

    [Fact]
    public void A_tunnel_that_leaves_is_not_noticed_by_the_others_and_the_last_closes_the_device() => _lab.Here.Inside(() =>
    {
        using UdpSockets firstSockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using UdpSockets secondSockets = UdpSockets.Open(new UdpSocketOptions { Port = SecondPort });
        XdpOuter first = Open(firstSockets, "one");
        XdpOuter second = Open(secondSockets, "two");
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        var endpoint = new Endpoint(EndpointAddress.From((IPEndPoint)peer.LocalEndPoint!), default);
        AwaitPast(first, peer, XdpLab.Port, endpoint);
        AwaitPast(second, peer, SecondPort, endpoint);
        first.Rules!.Ledger.Want(new SteeringRule(7, 7, SteeringRule.Any, SteeringRule.Any));
        first.Rules.Ledger.Pump();

        // What it has received and not taken, and what it holds, goes back to all.
        for (int i = 0; i < 100; i++)
        {
            peer.SendTo(Initiation(1), new IPEndPoint(IPAddress.Parse("10.9.0.1"), XdpLab.Port));
        }

        var burst = new Burst();
        Assert.True(SpinWait.SpinUntil(() => first.Ports[0].Receive(burst) > 0, 3000));
        first.Detach();
        first.Dispose();
        List<HeldRule> held = [];
        Assert.Equal(0, new SessionMap(second.Sessions).Dump(held));
        Assert.Empty(held);
        Assert.Contains("prog/xdp", _lab.Here.Exec("ip", "link", "show", "v0"), StringComparison.Ordinal);
        for (int i = 0; i < 500; i++)
        {
            peer.SendTo(Initiation(2), new IPEndPoint(IPAddress.Parse("10.9.0.1"), SecondPort));
            Assert.Equal([(2, 148)], Take(second.Ports[0], 1));
        }

        Settle(second);

        // Whoever comes next has the free place and begins with nothing known.
        using (XdpOuter third = Open(firstSockets, "three"))
        {
            Assert.Empty(third.Rules!.Ledger.List());
            AwaitPast(third, peer, XdpLab.Port, endpoint);
            Settle(third);
        }

        AwaitPast(second, peer, SecondPort, endpoint);
        Settle(second);
        second.Dispose();
        Assert.DoesNotContain("xdp", _lab.Here.Exec("ip", "link", "show", "v0"), StringComparison.Ordinal);
    });

    [Fact]
    public void Frames_that_the_kernel_still_has_when_their_tunnel_leaves_go_back_to_the_memory_when_it_gives_them_back() => _lab.Here.Inside(() =>
    {
        // A device on top of another one, whose queue keeps what is sent.
        _lab.Here.Exec("sysctl", "-q", "-w", "net.ipv4.conf.all.arp_ignore=1");
        _lab.There.Exec("ethtool", "-K", "v1", "tx", "off");
        _lab.Here.Ip("link", "add", "link", "v0", "name", "m0", "type", "macvlan", "mode", "private");
        _lab.Here.Ip("addr", "add", "10.10.0.1/24", "dev", "m0");
        _lab.Here.Ip("link", "set", "m0", "up");
        _lab.There.Ip("addr", "add", "10.10.0.2/24", "dev", "v1");
        using UdpSockets firstSockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
        using UdpSockets secondSockets = UdpSockets.Open(new UdpSocketOptions { Port = SecondPort });
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.10.0.2:4000"));
        var endpoint = new Endpoint(EndpointAddress.From((IPEndPoint)peer.LocalEndPoint!), default);
        XdpOuter first = Open(firstSockets, "one", "m0");
        using XdpOuter second = Open(secondSockets, "two", "m0");
        AwaitPast(first, peer, XdpLab.Port, endpoint, "10.10.0.1");
        AwaitPast(second, peer, SecondPort, endpoint, "10.10.0.1");
        int all = second.UnusedFrames + first.ReadQueues().Sum(static queue => queue.Total / 2);
        _lab.Here.Exec("tc", "qdisc", "add", "dev", "v0", "root", "tbf", "rate", "1kbit", "burst", "2000", "limit", "30m");
        Send(first.Ports[0], endpoint, 60);
        first.Detach();
        first.Dispose();
        int unused = second.UnusedFrames;
        Assert.InRange(unused, 0, all - 1);
        Settle(second);
        Assert.Equal(unused, second.UnusedFrames);

        // The queue lets go of what it holds.
        _lab.Here.Exec("tc", "qdisc", "del", "dev", "v0", "root");
        Assert.True(SpinWait.SpinUntil(() => second.ReadQueues().Count > 0 && second.UnusedFrames == all, 5000), $"{second.UnusedFrames} of {all} frames are unused");
        using XdpOuter third = Open(firstSockets, "three", "m0");
        AwaitPast(third, peer, XdpLab.Port, endpoint, "10.10.0.1");
        Settle(third);
        Settle(second);
    });

    private static List<(int Sender, int Length)> Take(IPort port, int? wanted)
    {
        List<(int, int)> taken = [];
        var burst = new Burst();
        bool all = SpinWait.SpinUntil(
            () =>
            {
                _ = port.Receive(burst);
                for (int i = 0; i < burst.Count; i++)
                {
                    taken.Add((*(byte*)(burst.Data[i] + 4), burst.Length[i]));
                }

                burst.Clear();
                return taken.Count >= (wanted ?? int.MaxValue);
            },
            wanted is null ? 20 : 3000);
        Assert.True(all || wanted is null, $"{taken.Count} of {wanted} packets came.");
        return taken;
    }

    // What the program knows to be a message and no session's.
    private static byte[] Initiation(byte sender)
    {
        byte[] message = new byte[148];
        message[0] = 1;
        message[4] = sender;
        return message;
    }

    private static void Send(IPort port, Endpoint to, int packets)
    {
        using var memory = new NativeRegion(Burst.Capacity * 2048);
        var burst = new Burst();
        for (int i = 0; i < packets; i++)
        {
            burst.Data[i] = (nint)(memory.Address + (i * 2048) + Burst.Headroom);
            burst.Length[i] = 32;
            burst.Destination[i] = to;
            burst.Count++;
        }

        port.Send(burst);
    }

    private static void ExpectFrom(Socket peer, params (int Port, int Packets)[] wanted)
    {
        Dictionary<int, int> came = [];
        for (int i = 0; i < wanted.Sum(each => each.Packets); i++)
        {
            EndPoint from = new IPEndPoint(IPAddress.Any, 0);
            Assert.Equal(32, peer.ReceiveFrom(new byte[64], ref from));
            int port = ((IPEndPoint)from).Port;
            came[port] = came.GetValueOrDefault(port) + 1;
        }

        Assert.All(wanted, each => Assert.Equal(each.Packets, came[each.Port]));
    }

    private static void Settle(XdpOuter outer) => Assert.True(
        SpinWait.SpinUntil(() => outer.Ports.All(port => Take(port, null).Count == 0) && outer.AllFramesAccountedFor, 5000),
        $"frames are missing: {string.Join("; ", outer.ReadQueues())}");

    // Until the program knows the address, the sockets have what comes; until the way is known, they send.
    private static void AwaitPast(XdpOuter outer, Socket peer, int port, Endpoint endpoint, string address = "10.9.0.1")
    {
        var burst = new Burst();
        long sent = 0;
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    peer.SendTo(Initiation(0), new IPEndPoint(IPAddress.Parse(address), port));
                    Send(outer.Ports[0], endpoint, 1);
                    ExpectFrom(peer, (port, 1));
                    Thread.Sleep(5);
                    _ = outer.Ports[0].Receive(burst);
                    bool past = burst.Count > 0 && burst.HasHints && outer.ReadQueues().Sum(static queue => queue.Copied) > sent;
                    sent = outer.ReadQueues().Sum(static queue => queue.Copied);
                    burst.Clear();
                    return past;
                },
                3000),
            "nothing goes past the kernel");
        _ = Take(outer.Ports[0], null);
    }

    private XdpOuter Open(UdpSockets sockets, string tunnel, string device = "v0") => XdpOuter.Open(
        new XdpOuterOptions(device, 0)
        {
            Counters = _counters.AddBlock(tunnel),
            Ended = static (_, _) => { },
            Steering = new TunnelTrace(TimeProvider.System),
            Shared = _devices,
            Tunnel = tunnel,
        },
        sockets);
}
