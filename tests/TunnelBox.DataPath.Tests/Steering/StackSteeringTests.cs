using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Tun;
using TunnelBox.DataPath.Udp;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>The worker that the kernel's stack gives a packet to: by its session's owner, by its inner flow.</summary>
[Trait("Needs", "root")]
public sealed unsafe class StackSteeringTests : IDisposable
{
    private const int Queues = 3;
    private readonly TestNamespace _space = new();
    private readonly Burst _burst = new();

    public void Dispose() => _space.Dispose();

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_datagram_of_a_known_session_goes_to_its_owners_socket_whatever_its_address(string address) => _space.Inside(() =>
    {
        using UdpSockets sockets = UdpSockets.Open(new UdpSocketOptions { Queues = Queues });
        using StackSteering? steering = StackSteering.Load(out string? problem);
        Assert.True(steering is not null, problem);
        Assert.Equal(0, steering.Attach(sockets));
        var map = new SessionMap(steering.Sessions, "reuseport");
        map.Submit([.. Enumerable.Range(0, 30).Select(i => new SteeringOrder(i, Rule(i), IsRemoval: false))]);
        SteeringAnswer[] answers = new SteeringAnswer[30];
        Assert.Equal(30, map.Collect(answers));
        Assert.All(answers, answer => Assert.Equal(0, answer.Error));
        List<HeldRule> held = [];
        Assert.Equal(0, map.Dump(held));
        Assert.Equal(Enumerable.Range(0, 30).Select(Rule).OrderBy(rule => rule.Match), held.Select(each => each.Rule).OrderBy(rule => rule.Match));

        // One source: without the program all of it would go to one socket. A response and a cookie name the receiver, too.
        var to = new IPEndPoint(IPAddress.Parse(address), sockets.Port);
        using Socket peer = new(to.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        foreach ((uint type, int length) in new[] { (4u, 32), (4u, 1452), (2u, 92), (3u, 64) })
        {
            for (int i = 0; i < 30; i++)
            {
                peer.SendTo(Message(type, Rule(i).Match, length), to);
            }

            for (int worker = 0; worker < Queues; worker++)
            {
                Assert.Equal(Enumerable.Range(0, 30).Where(i => i % Queues == worker).Select(i => Rule(i).Match), Take(sockets.Ports[worker], type));
            }
        }

        // Who is unknown goes to one and the same, by the kernel's hash; a session for any worker, as well.
        map.Submit([new SteeringOrder(1, Rule(1), IsRemoval: true), new SteeringOrder(2, Rule(2) with { Worker = SteeringRule.Any }, IsRemoval: false)]);
        peer.SendTo(Message(4, Rule(1).Match, 32), to);
        peer.SendTo(Message(4, Rule(2).Match, 32), to);
        peer.SendTo(Message(4, 77, 32), to);
        peer.SendTo(Message(1, 77, 148), to);
        peer.SendTo([1, 2, 3], to);
        int[] taken = [.. sockets.Ports.Select(port => Count(port))];
        Assert.Equal(5, taken.Sum());
        Assert.Equal(2, taken.Count(count => count == 0));
    });

    [Fact]
    public void An_inner_flow_keeps_its_queue_whatever_queue_its_answers_come_by() => _space.Inside(() =>
    {
        using TunDevice device = TunDevice.Create(new TunOptions { Name = "tbsteer", Queues = Queues, Offloads = false });
        _space.Ip("address", "add", "10.5.0.1/24", "dev", device.Name);
        _space.Ip("address", "add", "fd05::1/64", "dev", device.Name, "nodad");
        _space.Ip("link", "set", device.Name, "up");
        using (StackSteering? steering = StackSteering.Load(out string? problem))
        {
            Assert.True(steering is not null, problem);
            Assert.Equal(0, steering.Attach(device));
        }

        // The device holds its program when nobody else does any more.
        foreach (string address in (string[])["10.5.0.2", "fd05::2"])
        {
            var queueOf = new Dictionary<int, int>();
            for (int round = 0; round < 3; round++)
            {
                for (int port = 4000; port < 4032; port++)
                {
                    Drain(device, null);
                    using var client = new UdpClient(new IPEndPoint(address.Contains(':', StringComparison.Ordinal) ? IPAddress.IPv6Any : IPAddress.Any, port));
                    client.Send([1, 2, 3], 3, new IPEndPoint(IPAddress.Parse(address), 9));
                    int queue = Drain(device, port);
                    if (!queueOf.TryAdd(port, queue))
                    {
                        Assert.Equal(queueOf[port], queue);
                    }

                    // Its answer comes by another queue, after which the kernel's own table would move the flow there.
                    Answer(device.Ports[(queue + 1) % Queues]);
                }
            }

            Assert.Equal(Queues, queueOf.Values.Distinct().Count());
            Assert.All(queueOf.Values.CountBy(queue => queue), queue => Assert.InRange(queue.Value, 3, 24));
        }
    });

    private static SteeringRule Rule(int number) => new(0x9000_0000 + ((uint)number * 7919), (uint)number, SteeringRule.Any, (ushort)(number % Queues));

    private static byte[] Message(uint type, uint receiver, int length)
    {
        byte[] message = new byte[length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(type == 2 ? 8 : 4), receiver);
        return message;
    }

    private List<uint> Take(UdpPort port, uint type)
    {
        List<uint> taken = [];
        while (port.Receive(_burst) > 0)
        {
            for (int i = 0; i < _burst.Count; i++)
            {
                taken.Add(*(uint*)(_burst.Data[i] + (type == 2 ? 8 : 4)));
            }

            _burst.Clear();
        }

        return taken;
    }

    private int Count(UdpPort port) => Take(port, 4).Count;

    // The queue by which a packet from a UDP port came; every other packet is the kernel's own.
    private int Drain(TunDevice device, int? from)
    {
        int found = -1;
        for (int queue = 0; queue < Queues; queue++)
        {
            while (device.Ports[queue].Receive(_burst) > 0)
            {
                for (int i = 0; i < _burst.Count && from is not null; i++)
                {
                    byte* packet = (byte*)_burst.Data[i];
                    int header = packet[0] >> 4 == 4 ? 20 : 40;
                    if (packet[header == 20 ? 9 : 6] == 17 && ((packet[header] << 8) | packet[header + 1]) == from)
                    {
                        found = queue;
                        new ReadOnlySpan<byte>(packet, _burst.Length[i]).CopyTo(_last);
                        _lastLength = _burst.Length[i];
                    }
                }

                _burst.Clear();
            }
        }

        Assert.True(from is null || found >= 0, "The packet did not come.");
        return found;
    }

    private readonly byte[] _last = new byte[256];
    private readonly byte[] _memory = GC.AllocateArray<byte>(512, pinned: true);
    private int _lastLength;

    // The last packet with its ends exchanged.
    private void Answer(TunPort port)
    {
        Span<byte> packet = _memory.AsSpan(128, _lastLength);
        _last.AsSpan(0, _lastLength).CopyTo(packet);
        bool four = packet[0] >> 4 == 4;
        int header = four ? 20 : 40;
        int size = four ? 4 : 16;
        Swap(packet.Slice(four ? 12 : 8, size), packet.Slice(four ? 16 : 24, size));
        Swap(packet.Slice(header, 2), packet.Slice(header + 2, 2));
        fixed (byte* first = packet)
        {
            _burst.Data[0] = (nint)first;
            _burst.Length[0] = _lastLength;
            _burst.Count = 1;
            port.Send(_burst);
            Assert.Equal(Verdict.Done, _burst.Verdict[0]);
            _burst.Clear();
        }
    }

    private static void Swap(Span<byte> one, Span<byte> other)
    {
        byte[] kept = one.ToArray();
        other.CopyTo(one);
        kept.CopyTo(other);
    }
}
