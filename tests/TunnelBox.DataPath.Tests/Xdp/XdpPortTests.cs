using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Ports of several workers on the queues of one veth, and two ports against each other.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpPortTests
{
    private const int Size = 200;
    private readonly Counters _counters = new();

    [Fact]
    public void Receiving_and_sending_allocates_nothing()
    {
        using var lab = new XdpLab();
        using var memory = new NativeRegion(Burst.Capacity * Size);
        lab.Here.Inside(() =>
        {
            using UdpSockets near = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
            using XdpOuter here = Open("v0", near);
            UdpSockets? far = null;
            XdpOuter? there = null;
            lab.There.Inside(() =>
            {
                far = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port });
                there = Open("v1", far);
            });
            using (far)
            using (there)
            {
                IPort one = here.Ports[0];
                IPort other = there!.Ports[0];
                Endpoint toOther = Packets.Endpoint("10.9.0.2", XdpLab.Port);
                Endpoint toOne = Packets.Endpoint("10.9.0.1", XdpLab.Port);
                var burst = new Burst();
                Assert.True(SpinWait.SpinUntil(() => Round(one, other, toOther, memory, burst, 1) && Round(other, one, toOne, memory, burst, 1), 3000));
                Thread.Sleep(200);
                long before = 0;
                int lost = 0;
                for (int round = 0; round < 2000; round++)
                {
                    if (round == 200)
                    {
                        before = GC.GetAllocatedBytesForCurrentThread();
                    }

                    lost += Round(one, other, toOther, memory, burst, Burst.Capacity) ? 0 : 1;
                    lost += Round(other, one, toOne, memory, burst, Burst.Capacity) ? 0 : 1;
                }

                Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
                Assert.Equal(0, lost);
                Assert.Equal(0, _counters.Read().AllDrops);
                Assert.True(SpinWait.SpinUntil(() => here.AllFramesAccountedFor && there.AllFramesAccountedFor, 3000), "frames are missing");
            }
        });
    }

    [Fact]
    public void Every_queue_is_bound_and_served_by_its_home_worker()
    {
        const int Senders = 128;
        using var lab = new XdpLab(queues: 4);
        using var memory = new NativeRegion(Burst.Capacity * Size);
        lab.Here.Inside(() =>
        {
            using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port, Queues = 2 });
            using XdpOuter outer = Open("v0", sockets);
            Assert.Equal([(0, 0), (1, 1), (2, 0), (3, 1)], outer.ReadQueues().Select(queue => (queue.Queue, queue.Worker)));
            Assert.All(outer.Ports, port => Assert.StartsWith("xdp v0 copy", port.Description, StringComparison.Ordinal));
            Socket[] peers = [.. Enumerable.Range(0, Senders).Select(i => lab.Peer(new IPEndPoint(IPAddress.Parse("10.9.0.2"), 4000 + i)))];
            try
            {
                // The kernel spreads flows over the queues by their hash; each sender is one.
                Array.ForEach(peers, peer => peer.SendTo([1], IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}")));
                Assert.True(SpinWait.SpinUntil(() => outer.ReadQueues().Sum(queue => queue.Received) == Senders, 3000), "not all arrive past the kernel");
                int[] waiting = [.. outer.ReadQueues().Select(queue => queue.Received)];
                Assert.All(waiting, each => Assert.InRange(each, 1, Senders / 2));
                for (int worker = 0; worker < 2; worker++)
                {
                    int got = 0;
                    var burst = new Burst();
                    while (outer.Ports[worker].Receive(burst) is > 0 and int count)
                    {
                        got += count;
                        burst.Clear();
                    }

                    Assert.Equal(waiting[worker] + waiting[worker + 2], got);
                    Endpoint to = Packets.Endpoint("10.9.0.2", 4000);
                    Assert.True(SpinWait.SpinUntil(() => { Send(outer.Ports[worker], to, memory, burst, 1); return outer.Ports[worker].Receive(burst) == 0 && peers[0].Available > 0; }, 3000));
                }

                Assert.True(SpinWait.SpinUntil(() => outer.AllFramesAccountedFor, 3000), "frames are missing");
            }
            finally
            {
                Array.ForEach(peers, peer => peer.Dispose());
            }
        });
    }

    private static bool Round(IPort from, IPort to, Endpoint endpoint, NativeRegion memory, Burst burst, int count)
    {
        Send(from, endpoint, memory, burst, count);
        long until = Environment.TickCount64 + 1000;
        int got = 0;
        while (got < count && Environment.TickCount64 < until)
        {
            got += to.Receive(burst);
            burst.Clear();
        }

        return got == count;
    }

    private static void Send(IPort port, Endpoint endpoint, NativeRegion memory, Burst burst, int count)
    {
        burst.Clear();
        for (int i = 0; i < count; i++)
        {
            Packets.Add(burst, memory.Address + (i * Size), Size, endpoint);
        }

        port.Send(burst);
        burst.Clear();
    }

    private XdpOuter Open(string device, UdpSockets sockets) => XdpOuter.Open(
        new XdpOuterOptions(device, 0) { Counters = _counters.AddBlock("xdp"), Ended = static (_, _) => { } }, sockets);
}
