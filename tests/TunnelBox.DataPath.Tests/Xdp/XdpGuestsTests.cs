using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>The inner side with more workers than the device has queues: its flows are spread over all of them by their hash, each stays with one and keeps its order.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpGuestsTests : IDisposable
{
    private const int Mtu = 1400;
    private const int Flows = 40;
    private readonly Counters _counters = new();
    private readonly MemoryNode _node = new(new FakeClock(), 1001);
    private readonly List<MemoryPort> _tuns = [];
    private readonly List<IDisposable> _owned = [];
    private XdpLab _lab = null!;

    public void Dispose()
    {
        _owned.ForEach(each => each.Dispose());
        _lab?.Dispose();
        _node.Dispose();
        _tuns.ForEach(each => each.Dispose());
    }

    [Theory]
    [InlineData(1, 2, "10.8.0.5")]
    [InlineData(1, 3, "fd08::5")]
    [InlineData(2, 4, "10.8.0.5")]
    public void Many_flows_reach_every_worker_and_each_stays_with_one_in_order(int queues, int workers, string far) => Inside(queues, workers, gateway =>
    {
        Assert.DoesNotContain(gateway.Notes, note => note.Contains("further socket", StringComparison.Ordinal));
        Socket[] flows = [.. Enumerable.Range(0, Flows).Select(flow => Host(far, 4000 + flow))];
        var to = new IPEndPoint(IPAddress.Parse(far), 5000);
        Resolve(gateway, flows[0], to);
        int[] whose = [.. Enumerable.Repeat(-1, Flows)];
        int[] next = new int[Flows];
        int taken = 0;
        var burst = new Burst();
        byte[] payload = new byte[8];

        // Many times more than there are frames, so that those that others took must find back.
        int rounds = (8 * gateway.ReadQueues().Sum(queue => queue.Total) / Flows) + 1;
        for (int round = 0; round < rounds; round++)
        {
            for (int flow = 0; flow < Flows; flow++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(payload, flow);
                BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(4), round);
                flows[flow].SendTo(payload, to);
            }

            int wanted = (round + 1) * Flows;
            Assert.True(SpinWait.SpinUntil(() => TakeAll() >= wanted, 3000), $"{taken} of {wanted} packets came");
        }

        Assert.Equal(Enumerable.Range(0, workers), whose.Distinct().Order());
        Assert.Equal(rounds * Flows, taken);
        AssertAccounted(gateway);
        Assert.Equal(0, _counters.Read().AllDrops);

        int TakeAll()
        {
            for (int worker = 0; worker < workers; worker++)
            {
                int got = gateway.Ports[worker].Receive(burst);
                for (int i = 0; i < got; i++)
                {
                    byte* data = (byte*)burst.Data[i] + burst.Length[i] - payload.Length;
                    int flow = *(int*)data;
                    whose[flow] = whose[flow] < 0 ? worker : whose[flow];
                    Assert.Equal(whose[flow], worker);
                    Assert.Equal(next[flow]++, *(int*)(data + 4));
                }

                taken += got;
                burst.Clear();
            }

            return taken;
        }
    });

    [Fact]
    public void Where_each_worker_has_a_queue_the_queue_decides() => Inside(2, 2, gateway =>
    {
        Socket socket = Host("10.8.0.5", 4000);
        Resolve(gateway, socket, IPEndPoint.Parse("10.8.0.5:5000"));
        Span<int> descriptors = stackalloc int[IPort.MaxPollDescriptors];
        Assert.Equal(1, gateway.Ports[0].GetPollDescriptors(descriptors));
        Assert.Equal(1, gateway.Ports[1].GetPollDescriptors(descriptors));
    });

    [Fact]
    public void What_is_to_be_answered_goes_to_a_worker_that_can_transmit() => Inside(1, 3, gateway =>
    {
        var to = IPEndPoint.Parse("10.8.0.5:5000");
        Resolve(gateway, Host("10.8.0.5", 4000), to);
        using Socket icmp = Icmp();
        var burst = new Burst();
        for (int flow = 1; flow < 20; flow++)
        {
            Socket socket = Host("10.8.0.5", 4000 + flow);
            socket.Ttl = 1;
            socket.SendTo([1], to);
            Assert.True(SpinWait.SpinUntil(() => gateway.Ports[0].Receive(burst) > 0, 3000), "the queue's worker has nothing");
            Assert.Equal(DropReason.OutHopLimit, burst.Reason[0]);
            burst.Clear();
        }

        Assert.Equal(11, LanTools.Take(icmp, out IPEndPoint router)[20]);
        Assert.Equal("10.9.0.1", router.Address.ToString());
        Socket large = Host("10.8.0.5", 4999);
        large.DontFragment = true;
        large.SendTo(new byte[1440], to);
        Assert.True(SpinWait.SpinUntil(() => gateway.Ports[0].Receive(burst) > 0, 3000), "the queue's worker has nothing");
        Assert.Equal(DropReason.OutPacketTooBig, burst.Reason[0]);
        AssertAccounted(gateway);
    });

    [Fact]
    public void The_queues_worker_is_woken_when_the_frames_have_come_back() => Inside(1, 2, gateway =>
    {
        // Worker 0 sleeps until it is called: what is sent is worker 1's alone.
        var to = IPEndPoint.Parse("10.8.0.5:5000");
        Resolve(gateway, Host("10.8.0.5", 4000), to);
        var burst = new Burst();
        Socket? socket = null;
        for (int port = 4001; socket is null; port++)
        {
            Socket tried = Host("10.8.0.5", port);
            tried.SendTo([1], to);
            Assert.True(SpinWait.SpinUntil(() => gateway.Ports[1].MoreWaiting || gateway.Ports[0].MoreWaiting, 3000));
            socket = gateway.Ports[1].MoreWaiting ? tried : null;
            Drain(gateway);
        }

        int packets = 4 * gateway.ReadQueues()[0].Total;
        int woken = 0;
        for (int sent = 0; sent < packets; sent += 32)
        {
            for (int i = 0; i < 32; i++)
            {
                socket.SendTo([1], to);
            }

            int taken = 0;
            Assert.True(
                SpinWait.SpinUntil(
                    () =>
                    {
                        taken += gateway.Ports[1].Receive(burst);
                        burst.Clear();
                        return taken == 32;
                    },
                    3000),
                $"{sent + taken} packets came");
            if (IsCalled(gateway.Ports[0]))
            {
                woken++;
                Assert.Equal(0, gateway.Ports[0].Receive(burst));
            }
        }

        Assert.True(woken > 2, $"The queue's worker was woken {woken} times.");
        AssertAccounted(gateway);
    });

    private static void Drain(XdpGateway gateway)
    {
        var burst = new Burst();
        foreach (IPort port in gateway.Ports)
        {
            while (port.Receive(burst) > 0)
            {
                burst.Clear();
            }
        }
    }

    private static void AssertAccounted(XdpGateway gateway) => Assert.True(
        SpinWait.SpinUntil(
            () =>
            {
                Drain(gateway);
                return gateway.AllFramesAccountedFor;
            },
            3000),
        "frames are missing");

    // The last descriptor is the event that other workers set.
    private static bool IsCalled(IPort port)
    {
        Span<int> descriptors = stackalloc int[IPort.MaxPollDescriptors];
        int count = port.GetPollDescriptors(descriptors);
        pollfd polled = new() { fd = descriptors[count - 1], events = Definitions.POLLIN };
        timespec now = default;
        return LibC.ppoll(&polled, 1, &now) > 0;
    }

    private void Resolve(XdpGateway gateway, Socket socket, IPEndPoint to)
    {
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    socket.SendTo([1], to);
                    Thread.Sleep(5);
                    return gateway.Ports.Any(port => port.MoreWaiting);
                },
                5000),
            "nothing comes past the kernel");
        Thread.Sleep(20);
        Drain(gateway);
    }

    private Socket Host(string far, int port)
    {
        Socket made = _lab.Peer(new IPEndPoint(IPAddress.Parse(far.Contains(':', StringComparison.Ordinal) ? "fd09::2" : "10.9.0.2"), port));
        _owned.Add(made);
        return made;
    }

    private Socket Icmp()
    {
        Socket? made = null;
        _lab.There.Inside(() =>
        {
            made = new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Icmp) { ReceiveTimeout = 3000 };
            made.Bind(new IPEndPoint(IPAddress.Any, 0));
        });
        return made!;
    }

    private void Inside(int queues, int workers, Action<XdpGateway> test)
    {
        _lab = new XdpLab(queues);
        _lab.Here.Ip("tuntap", "add", "tun9", "mode", "tun");
        _lab.Here.Ip("addr", "add", "10.200.0.1/32", "dev", "tun9");
        _lab.Here.Ip("link", "set", "tun9", "up");
        _lab.There.Ip("route", "add", "default", "via", "10.9.0.1");
        _lab.There.Ip("-6", "route", "add", "default", "via", "fd09::1");
        _tuns.AddRange(Enumerable.Range(0, workers).Select(_ => new MemoryPort()));
        using (Tunnel.Edit edit = _node.Tunnel.BeginEdit())
        using (var other = new MemoryNode(_node.Clock, 1002))
        {
            Peer peer = edit.AddPeer(other.PublicKey);
            edit.AddAllowedIp(peer, IPNetwork.Parse("10.8.0.0/16"));
            edit.AddAllowedIp(peer, IPNetwork.Parse("fd08::/64"));
        }

        _lab.Here.Inside(() =>
        {
            using XdpGateway gateway = XdpGateway.Open(
                new XdpGatewayOptions("v0", XdpOuter.IndexOf("tun9"), Mtu)
                {
                    Counters = _counters.AddBlock(),
                    AllowedIps = () => _node.Tunnel.AllowedIps,
                    Ended = static (_, _) => { },
                },
                [.. _tuns]);
            test(gateway);
        });
    }
}
