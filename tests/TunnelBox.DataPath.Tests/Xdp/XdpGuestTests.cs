using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Sockets of several workers on one queue of a veth: a session's packets reach its owner, and their frames find back.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpGuestTests : IDisposable
{
    private const int Workers = 3;
    private readonly XdpLab _lab = new(queues: 2);
    private readonly Counters _counters = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public void A_sessions_packets_reach_its_owner_and_all_others_whose_the_queue_is() => Run((outer, peer, to) =>
    {
        for (uint index = 100; index < 130; index++)
        {
            peer.SendTo(Message(4, index, 32), to);
        }

        for (int worker = 0; worker < Workers; worker++)
        {
            Assert.Equal(Enumerable.Range(100, 30).Where(index => index % Workers == worker).Select(index => (uint)index), Take(outer.Ports[worker], 10).Select(each => each.Receiver));
        }

        // An initiation names no session; the queue's own worker has it, and nobody else.
        peer.SendTo(Message(1, 0, 148), to);
        Assert.Single(outer.Ports.SelectMany(port => Take(port, null)));
        Settle(outer);
    });

    [Fact]
    public void Frames_find_back_to_a_worker_that_sleeps() => Run((outer, peer, to) =>
    {
        // Index 101 is worker 1's, or 2's on the queue that is worker 1's: many times more than there are frames.
        int packets = 8 * outer.ReadQueues()[0].Total;
        int owner = 101 % Workers;
        int woken = 0;
        for (int sent = 0; sent < packets;)
        {
            for (int i = 0; i < 32; i++)
            {
                peer.SendTo(Message(4, 101, 32, sent++), to);
            }

            int expected = sent - 32;
            Assert.All(Take(outer.Ports[owner], 32), each => Assert.Equal(expected++, each.Number));
            for (int worker = 0; worker < Workers; worker++)
            {
                if (worker != owner && IsCalled(outer.Ports[worker]))
                {
                    woken++;
                    Assert.Empty(Take(outer.Ports[worker], null));
                }
            }
        }

        Assert.True(woken > 2, $"The queue's worker was woken {woken} times.");
        Settle(outer);
        Assert.Equal(0, _counters.Read().AllDrops);
    });

    private static byte[] Message(uint type, uint receiver, int length, int number = 0)
    {
        byte[] message = new byte[length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), receiver);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(8), number);
        return message;
    }

    private static List<(uint Receiver, int Number)> Take(IPort port, int? wanted)
    {
        List<(uint, int)> taken = [];
        var burst = new Burst();
        bool all = SpinWait.SpinUntil(
            () =>
            {
                _ = port.Receive(burst);
                for (int i = 0; i < burst.Count; i++)
                {
                    taken.Add((*(uint*)(burst.Data[i] + 4), *(int*)(burst.Data[i] + 8)));
                }

                burst.Clear();
                return taken.Count >= (wanted ?? int.MaxValue);
            },
            wanted is null ? 20 : 3000);
        Assert.True(all || wanted is null, $"{taken.Count} of {wanted} packets came.");
        return taken;
    }

    // The last descriptor is the event that other workers set.
    private static bool IsCalled(IPort port)
    {
        Span<int> descriptors = stackalloc int[IPort.MaxPollDescriptors];
        int count = port.GetPollDescriptors(descriptors);
        pollfd polled = new() { fd = descriptors[count - 1], events = Definitions.POLLIN };
        timespec now = default;
        return LibC.ppoll(&polled, 1, &now) > 0;
    }

    private static void Settle(XdpOuter outer) => Assert.True(
        SpinWait.SpinUntil(() => outer.Ports.All(port => Take(port, null).Count == 0) && outer.AllFramesAccountedFor, 5000), "frames are missing");

    private void Run(Action<XdpOuter, Socket, IPEndPoint> test) => _lab.Here.Inside(() =>
    {
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Port = XdpLab.Port, Queues = Workers });
        using XdpOuter outer = XdpOuter.Open(
            new XdpOuterOptions("v0", 0) { Counters = _counters.AddBlock("xdp"), Ended = static (_, _) => { }, Steering = new TunnelTrace(TimeProvider.System) }, sockets);
        Assert.DoesNotContain(outer.Notes, note => note.Contains("further socket", StringComparison.Ordinal));
        for (uint index = 100; index < 130; index++)
        {
            outer.Rules!.Ledger.Want(new SteeringRule(index, index, SteeringRule.Any, (ushort)(index % Workers)));
        }

        outer.Rules!.Ledger.Pump();
        Assert.True(outer.Rules.Ledger.IsComplete);
        using Socket peer = _lab.Peer(IPEndPoint.Parse("10.9.0.2:4000"));
        var to = IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}");

        // Until the program knows the address, the sockets have what comes.
        var burst = new Burst();
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    peer.SendTo(Message(4, 100, 32), to);
                    Thread.Sleep(5);
                    _ = outer.Ports[100 % Workers].Receive(burst);
                    bool past = burst.Count > 0 && burst.HasHints;
                    burst.Clear();
                    return past;
                },
                3000),
            "nothing comes past the kernel");
        foreach (IPort port in outer.Ports)
        {
            _ = Take(port, null);
        }

        test(outer, peer, to);
    });
}
