using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>Input nobody should send: thrown at a UDP port and into a TUN device.</summary>
internal static class Garbage
{
    private const int PacketFamily = 65536, AllProtocols = 0x0300, LargestDatagram = 1500;

    /// <summary>Random datagrams, three in four with a WireGuard type and often its exact length.</summary>
    public static void ToUdp(IPEndPoint target, int count, int seed)
    {
        var random = new Random(seed);
        using var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        byte[] datagram = new byte[LargestDatagram];
        for (int number = 0; number < count; number++)
        {
            random.NextBytes(datagram);
            int length = random.Next(0, LargestDatagram + 1);
            int type = random.Next(0, 6);
            if (type is >= 1 and <= 4)
            {
                BinaryPrimitives.WriteInt32LittleEndian(datagram, type);
                if (random.Next(2) == 0)
                {
                    length = type switch { 1 => 148, 2 => 92, 3 => 64, _ => 32 + (16 * random.Next(0, 80)) } + random.Next(-1, 2);
                }
            }

            Send(socket, datagram.AsSpan(0, length), target);
        }
    }

    /// <summary>Random packets transmitted on a device, most with an IP version and lengths that lie.</summary>
    public static void ToDevice(int index, int count, int seed)
    {
        var random = new Random(seed);
        using var socket = new Socket((AddressFamily)PacketFamily, SocketType.Raw, (ProtocolType)AllProtocols);
        var device = new LinkEndPoint(index);
        byte[] packet = new byte[1400];
        for (int number = 0; number < count; number++)
        {
            random.NextBytes(packet);
            int length = random.Next(1, packet.Length + 1);
            switch (random.Next(4))
            {
                case 0:
                    packet[0] = 0x45;
                    BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)(random.Next(2) == 0 ? length : random.Next(65536)));
                    // Towards the peer, so that the packet is not merely one without a route.
                    IPAddress.Parse(TunnelPair.Second4).TryWriteBytes(packet.AsSpan(16), out _);
                    break;
                case 1:
                    packet[0] = 0x60;
                    BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(random.Next(2) == 0 ? length - 40 : random.Next(65536)));
                    IPAddress.Parse(TunnelPair.Second6).TryWriteBytes(packet.AsSpan(24), out _);
                    break;
                case 2:
                    packet[0] = (byte)(0x40 | random.Next(16));
                    break;
                default:
                    break;
            }

            Send(socket, packet.AsSpan(0, length), device);
        }
    }

    private static void Send(Socket socket, ReadOnlySpan<byte> data, EndPoint target)
    {
        try
        {
            socket.SendTo(data, SocketFlags.None, target);
        }
        catch (SocketException)
        {
            // The kernel refused this one (ENOBUFS, an ICMP error of an earlier one); the next may pass.
        }
    }

    /// <summary>sockaddr_ll of <c>linux/if_packet.h</c>.</summary>
    private sealed class LinkEndPoint(int index) : EndPoint
    {
        private const int Length = 20;

        public override AddressFamily AddressFamily => (AddressFamily)PacketFamily;

        public override SocketAddress Serialize()
        {
            var address = new SocketAddress((AddressFamily)PacketFamily, Length);
            Span<byte> raw = address.Buffer.Span;
            BinaryPrimitives.WriteUInt16LittleEndian(raw, 17);
            BinaryPrimitives.WriteUInt16BigEndian(raw[2..], 0x0800);
            BinaryPrimitives.WriteInt32LittleEndian(raw[4..], index);
            return address;
        }
    }
}
