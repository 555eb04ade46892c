using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>The whole inner side on a veth device, against hosts of a local network whose kernel checks every checksum.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpGatewayTests : IDisposable
{
    private const int Mtu = 1400;
    private readonly XdpLab _lab = new();
    private readonly Counters _counters = new();
    private readonly MemoryNode _node = new(new FakeClock(), 1001);
    private readonly MemoryPort _tun = new();
    private readonly List<byte[]> _toTun = [];
    private readonly List<string> _ended = [];

    public XdpGatewayTests()
    {
        _tun.Sent = (bytes, _, _) => _toTun.Add(bytes);
        _lab.Here.Ip("tuntap", "add", "tun9", "mode", "tun");
        _lab.Here.Ip("addr", "add", "10.200.0.1/32", "dev", "tun9");
        _lab.Here.Ip("link", "set", "tun9", "up");
        _lab.There.Ip("route", "add", "default", "via", "10.9.0.1");
        _lab.There.Ip("-6", "route", "add", "default", "via", "fd09::1");
        Allow("10.8.0.0/16", "fd08::/64");
    }

    public void Dispose()
    {
        _lab.Dispose();
        _node.Dispose();
        _tun.Dispose();
    }

    [Theory]
    [InlineData("10.9.0.2", "10.8.0.5", Mtu)]
    [InlineData("fd09::2", "fd08::5", Mtu)]
    [InlineData("10.9.0.2", "10.8.0.5", 9000)]
    [InlineData("fd09::2", "fd08::5", 9000)]
    public void Packets_go_through_both_ways_with_one_hop_less_and_right_checksums(string host, string far, int mtu) => _lab.Here.Inside(() =>
    {
        string device = Math.Max(mtu, 1500).ToString(CultureInfo.InvariantCulture);
        _lab.Here.Ip("link", "set", "v0", "mtu", device);
        _lab.There.Ip("link", "set", "v1", "mtu", device);
        using XdpGateway gateway = Open();
        gateway.SetMtu(mtu);
        using Socket socket = _lab.Peer(new IPEndPoint(IPAddress.Parse(host), 4000));
        var to = new IPEndPoint(IPAddress.Parse(far), 5000);
        IPort port = gateway.Ports[0];
        Resolve(port, socket, to);
        int start = to.AddressFamily == AddressFamily.InterNetwork ? 20 : 40;
        for (int length = 0; length <= mtu - start - 8; length += length < 70 || length is > 3690 and < 3770 ? 1 : 90)
        {
            byte[] payload = Payload(length);
            socket.SendTo(payload, to);
            byte[] packet = Receive(port);
            Assert.Equal(63, packet[start == 20 ? 8 : 7]);
            Assert.Equal(payload, packet[(start + 8)..]);
            Assert.True(SegmentModel.TransportChecksumIsRight(packet, start));

            // Back from the other end.
            Burst burst = Send(port, LanTools.Turned(packet, start));
            Assert.Equal(Verdict.Done, burst.Verdict[0]);
            Assert.Equal(payload, LanTools.Take(socket, out IPEndPoint from));
            Assert.Equal(to, from);
        }

        Assert.Empty(_toTun);
        Assert.DoesNotContain(gateway.Notes, note => note.Contains("several chunks", StringComparison.Ordinal));
        AssertAccounted(gateway, port);
        Assert.Equal(0, _counters.Read().AllDrops);
    });

    [Fact]
    public void What_only_the_kernel_can_send_goes_by_the_tun_device() => _lab.Here.Inside(() =>
    {
        using XdpGateway gateway = Open();
        IPort port = gateway.Ports[0];
        Send(port, InnerPackets.IPv4("10.8.0.5", "10.9.0.99"));
        Send(port, InnerPackets.IPv4("10.8.0.5", "10.9.0.1"));
        Send(port, InnerPackets.IPv4("10.8.0.5", "10.200.0.1"));
        Send(port, InnerPackets.IPv6("fd08::5", "fd0a::1"));
        Assert.Equal(4, _toTun.Count);

        // From the TUN device packets come as ever.
        _tun.Incoming.Enqueue((InnerPackets.IPv4("10.9.0.1", "10.8.0.5"), default, 0));
        Assert.Equal(64, Receive(port)[8]);
    });

    [Theory]
    [InlineData("10.9.0.2", "10.8.0.5")]
    [InlineData("fd09::2", "fd08::5")]
    public void The_sender_is_told_when_hops_are_used_up_or_a_packet_is_too_large(string host, string far) => _lab.Here.Inside(() =>
    {
        using XdpGateway gateway = Open();
        using Socket socket = _lab.Peer(new IPEndPoint(IPAddress.Parse(host), 4000));
        bool four = socket.AddressFamily == AddressFamily.InterNetwork;
        var to = new IPEndPoint(IPAddress.Parse(far), 5000);
        IPort port = gateway.Ports[0];
        Resolve(port, socket, to);
        using Socket icmp = Icmp(four);
        socket.Ttl = 1;
        socket.SendTo([1], to);
        Burst burst = Wait(port);
        Assert.Equal(DropReason.OutHopLimit, burst.Reason[0]);
        byte[] exceeded = LanTools.Take(icmp, out IPEndPoint router);
        Assert.Equal(four ? 11 : 3, exceeded[four ? 20 : 0]);
        Assert.Equal(four ? "10.9.0.1" : "fd09::1", router.Address.ToString());

        socket.Ttl = 64;
        if (four)
        {
            socket.DontFragment = true;
        }

        socket.SendTo(Payload(1440), to);
        burst = Wait(port);
        Assert.Equal(DropReason.OutPacketTooBig, burst.Reason[0]);
        Assert.Equal(four ? 3 : 2, LanTools.Take(icmp, out _)[four ? 20 : 0]);
        Assert.Contains($"mtu {Mtu}", _lab.There.Ip("route", "get", far), StringComparison.Ordinal);
    });

    [Theory]
    [InlineData("10.9.0.2", "10.8.0.5")]
    [InlineData("fd09::2", "fd08::5")]
    public void The_other_end_is_told_through_the_tunnel(string host, string far) => _lab.Here.Inside(() =>
    {
        using XdpGateway gateway = Open();
        bool four = host.Contains('.', StringComparison.Ordinal);
        using Socket socket = _lab.Peer(new IPEndPoint(IPAddress.Parse(host), 4000));
        IPort port = gateway.Ports[0];
        Resolve(port, socket, new IPEndPoint(IPAddress.Parse(far), 5000));
        byte[] packet = four ? InnerPackets.IPv4(far, host) : InnerPackets.IPv6(far, host);
        packet[four ? 8 : 7] = 1;
        Assert.Equal(DropReason.InHopLimit, Send(port, packet).Reason[0]);
        byte[] exceeded = Receive(port);
        Assert.Equal(four ? 11 : 3, exceeded[four ? 20 : 40]);
        Assert.Equal(four ? "10.200.0.1" : "fd09::1", new IPAddress(exceeded.AsSpan(four ? 12 : 8, four ? 4 : 16)).ToString());

        byte[] large = four ? InnerPackets.IPv4(far, host, 1501) : InnerPackets.IPv6(far, host, 1501);
        if (four)
        {
            // The kernel breaks up what may be broken.
            Send(port, large);
            Assert.Equal(1501, Assert.Single(_toTun).Length);
            large[6] = 0x40;
        }

        Assert.Equal(DropReason.InPacketTooBig, Send(port, large).Reason[0]);
        byte[] tooBig = Receive(port);
        Assert.Equal(four ? 3 : 2, tooBig[four ? 20 : 40]);
        Assert.Equal(1500, four ? SegmentModel.Word(tooBig, 26) : (int)BinaryPrimitives.ReadUInt32BigEndian(tooBig.AsSpan(44)));
    });

    [Fact]
    public void Changes_of_allowed_ips_neighbours_and_addresses_are_followed() => _lab.Here.Inside(() =>
    {
        using XdpGateway gateway = Open();
        using Socket socket = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        IPort port = gateway.Ports[0];
        var to = IPEndPoint.Parse("10.8.0.5:5000");
        Resolve(port, socket, to);
        Assert.False(Arrives(port, socket, "10.7.0.5"));
        Allow("10.7.0.0/16");
        gateway.AllowedIpsChanged();
        Eventually(() => Arrives(port, socket, "10.7.0.5"));

        // An address of this machine inside an allowed prefix is this machine's.
        _lab.Here.Ip("addr", "add", "10.7.0.5/32", "dev", "tun9");
        Eventually(() => !Arrives(port, socket, "10.7.0.5"));
        Assert.True(Arrives(port, socket, "10.7.0.6"));
        _lab.Here.Ip("route", "add", "10.7.0.0/24", "via", "10.9.0.2");
        Eventually(() => !Arrives(port, socket, "10.7.0.6"));
        Assert.True(Arrives(port, socket, "10.7.1.6"));

        _lab.There.Ip("link", "set", "v1", "address", "02:00:00:00:00:77");
        _lab.Here.Ip("link", "set", "v0", "address", "02:00:00:00:00:78");
        _lab.Here.Ip("neigh", "replace", "10.9.0.2", "lladdr", "02:00:00:00:00:77", "dev", "v0", "nud", "reachable");
        _lab.There.Ip("neigh", "replace", "10.9.0.1", "lladdr", "02:00:00:00:00:78", "dev", "v1", "nud", "reachable");
        Eventually(() => Arrives(port, socket, "10.8.0.5"));
        Eventually(() =>
        {
            Send(port, LanTools.Datagram("10.8.0.5", "10.9.0.2"));
            return socket.Poll(50_000, SelectMode.SelectRead) && LanTools.Take(socket, out _).Length == 4;
        });
        Assert.Empty(_ended);
        AssertAccounted(gateway, port);
    });

    [Fact]
    public void A_firewall_for_forwarded_packets_forbids_it_until_it_is_forced() => _lab.Here.Inside(() =>
    {
        using (XdpGateway gateway = Open())
        {
            Assert.Null(gateway.Bypassed);
            _lab.Here.Exec("nft", "add table inet guard { chain watch { type filter hook forward priority 0 ; policy accept ; } ; chain gate { type filter hook forward priority 1 ; policy drop ; } ; }");
            Assert.True(SpinWait.SpinUntil(() => _ended.Count > 0, 6000), "the firewall is not noticed");
        }

        Assert.StartsWith("no XDP on v0: chain gate of table guard decides on forwarded packets", _ended[0], StringComparison.Ordinal);
        PortException refused = Assert.Throws<PortException>(() => Open().Dispose());
        Assert.Equal(_ended[0], refused.Message);
        using XdpGateway forced = Open(pastFirewall: true);
        Assert.Equal("chain gate of table guard", forced.Bypassed);
    });

    [Fact]
    public void A_deleted_device_is_told_once_and_what_is_no_device_is_refused() => _lab.Here.Inside(() =>
    {
        using (XdpGateway gateway = Open())
        {
            _lab.Here.Ip("link", "del", "v0");
            Assert.True(SpinWait.SpinUntil(() => _ended.Count > 0, 3000));
            Send(gateway.Ports[0], InnerPackets.IPv4("10.8.0.5", "10.9.0.2"));
        }

        Assert.Equal(["no XDP on v0: the device is gone"], _ended);
        foreach ((string device, string sentence) in new[] { ("lo", "it is no Ethernet device"), ("nothing0", "there is no such device") })
        {
            PortException refused = Assert.Throws<PortException>(() => Open(device).Dispose());
            Assert.StartsWith($"no XDP on {device}: {sentence}", refused.Message, StringComparison.Ordinal);
        }
    });

    [Fact]
    public void No_allocation_over_many_packets() => _lab.Here.Inside(() =>
    {
        using XdpGateway gateway = Open();
        using Socket socket = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        var to = IPEndPoint.Parse("10.8.0.5:5000");
        SocketAddress target = to.Serialize();
        IPort port = gateway.Ports[0];
        Resolve(port, socket, to);
        byte[] payload = Payload(200);
        var burst = new Burst();
        long allocated = 0;
        int packets = 0;
        for (int round = 0; round < 600; round++)
        {
            for (int i = 0; i < 32; i++)
            {
                socket.SendTo(payload, SocketFlags.None, target);
            }

            // The way through is turned by hand: what came in leaves again towards its sender.
            long before = GC.GetAllocatedBytesForCurrentThread();
            int got;
            do
            {
                burst.Clear();
                got = port.Receive(burst);
                for (int i = 0; i < got; i++)
                {
                    uint* addresses = (uint*)(burst.Data[i] + 12);
                    (addresses[0], addresses[1]) = (addresses[1], addresses[0]);
                }

                port.Send(burst);
                packets += got;
            }
            while (got > 0);
            allocated += round < 50 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.InRange(packets, 600 * 32, int.MaxValue);
        Assert.Equal(0, allocated);
        AssertAccounted(gateway, port);
    });

    private static byte[] Payload(int length)
    {
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        return payload;
    }

    private static Burst Wait(IPort port)
    {
        var burst = new Burst();
        Assert.True(SpinWait.SpinUntil(() => port.Receive(burst) > 0, 3000), "nothing arrives");
        return burst;
    }

    private static byte[] Receive(IPort port)
    {
        Burst burst = Wait(port);
        Assert.True(burst.Verdict[0] == Verdict.Continue, burst.Reason[0].ToString());
        return new ReadOnlySpan<byte>((void*)burst.Data[0], burst.Length[0]).ToArray();
    }

    private static Burst Send(IPort port, byte[] packet)
    {
        var burst = new Burst { Count = 1 };
        byte[] bytes = [.. new byte[16], .. packet];
        fixed (byte* data = bytes)
        {
            burst.Data[0] = (nint)data + 16;
            burst.Length[0] = packet.Length;
            port.Send(burst);
        }

        return burst;
    }

    private static bool Arrives(IPort port, Socket socket, string to)
    {
        var burst = new Burst();
        while (port.Receive(burst) > 0)
        {
            burst.Clear();
        }

        socket.SendTo([1, 2, 3], new IPEndPoint(IPAddress.Parse(to), 5000));
        return SpinWait.SpinUntil(() => port.Receive(burst) > 0, 100);
    }

    private void Eventually(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, 5000), $"it does not come about; {string.Join(';', _ended)}");

    private static void AssertAccounted(XdpGateway gateway, IPort port)
    {
        var burst = new Burst();
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    burst.Clear();
                    port.Receive(burst);
                    burst.Clear();
                    port.Send(burst);
                    return gateway.AllFramesAccountedFor;
                },
                3000),
            "frames are missing");
    }

    private Socket Icmp(bool four)
    {
        Socket? made = null;
        _lab.There.Inside(() =>
        {
            made = new Socket(four ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6, SocketType.Raw, four ? ProtocolType.Icmp : ProtocolType.IcmpV6)
            {
                ReceiveTimeout = 3000,
            };
            made.Bind(new IPEndPoint(four ? IPAddress.Any : IPAddress.IPv6Any, 0));
        });
        return made!;
    }

    private void Allow(params string[] prefixes)
    {
        using Tunnel.Edit edit = _node.Tunnel.BeginEdit();
        using var other = new MemoryNode(_node.Clock, 1002);
        Peer peer = edit.AddPeer(other.PublicKey);
        foreach (string prefix in prefixes)
        {
            edit.AddAllowedIp(peer, IPNetwork.Parse(prefix));
        }
    }

    private XdpGateway Open(string device = "v0", bool pastFirewall = false) => XdpGateway.Open(
        new XdpGatewayOptions(device, XdpOuter.IndexOf("tun9"), Mtu)
        {
            Counters = _counters.AddBlock(),
            AllowedIps = () => _node.Tunnel.AllowedIps,
            Ended = (_, why) => _ended.Add(why),
            PastFirewall = pastFirewall,
        },
        [_tun]);

    // Until both ends know each other's Ethernet address and the tables tell of it.
    private void Resolve(IPort port, Socket socket, IPEndPoint to)
    {
        Assert.True(Arrives(port, socket, to.Address.ToString()));
        bool four = to.AddressFamily == AddressFamily.InterNetwork;
        string host = ((IPEndPoint)socket.LocalEndPoint!).Address.ToString();
        _lab.Here.Exec("ping", "-c", "1", "-W", "2", host);
        Eventually(() =>
        {
            _toTun.Clear();
            Send(port, four ? InnerPackets.IPv4("10.8.0.9", host) : InnerPackets.IPv6("fd08::9", host));
            return _toTun.Count == 0;
        });
    }
}
