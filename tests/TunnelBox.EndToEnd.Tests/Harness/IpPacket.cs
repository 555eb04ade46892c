using System.Buffers.Binary;
using System.Net;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>An IP packet as captured, with what the tests look at.</summary>
internal sealed record IpPacket(
    double Time, IPAddress Source, IPAddress Destination, int TrafficClass, bool DontFragment, int Protocol, byte[] Payload)
{
    private const int Udp = 17;

    /// <summary>The congestion mark: 0 not capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced.</summary>
    public int Ecn => TrafficClass & 3;

    /// <summary>True for a UDP datagram (its first fragment).</summary>
    public bool IsUdp => Protocol == Udp && Payload.Length >= 8;

    /// <summary>Source port of a datagram.</summary>
    public int SourcePort => BinaryPrimitives.ReadUInt16BigEndian(Payload);

    /// <summary>Destination port of a datagram.</summary>
    public int DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(Payload.AsSpan(2));

    /// <summary>Content of a datagram, as far as captured.</summary>
    public ReadOnlySpan<byte> Datagram => Payload.AsSpan(8);

    /// <summary>Length of the datagram's content, whatever was captured of it.</summary>
    public int DatagramLength => BinaryPrimitives.ReadUInt16BigEndian(Payload.AsSpan(4)) - 8;

    /// <summary>The WireGuard message type, 0 when it is none: 1 initiation, 2 response, 3 cookie reply, 4 data.</summary>
    public int MessageType =>
        IsUdp && Datagram.Length >= 4 && Datagram[0] is >= 1 and <= 4 && Datagram[1..4].IndexOfAnyExcept((byte)0) < 0
            ? Datagram[0]
            : 0;

    /// <summary>Reads an IP packet; null when it is none.</summary>
    public static IpPacket? Parse(double time, ReadOnlySpan<byte> packet)
    {
        if (packet.Length >= 20 && packet[0] >> 4 == 4)
        {
            int header = (packet[0] & 15) * 4;
            return header < 20 || packet.Length < header
                ? null
                : new IpPacket(
                    time, new IPAddress(packet[12..16]), new IPAddress(packet[16..20]), packet[1], (packet[6] & 0x40) != 0,
                    packet[9], packet[header..].ToArray());
        }

        if (packet.Length >= 40 && packet[0] >> 4 == 6)
        {
            int trafficClass = (BinaryPrimitives.ReadUInt16BigEndian(packet) >> 4) & 0xff;
            return new IpPacket(
                time, new IPAddress(packet[8..24]), new IPAddress(packet[24..40]), trafficClass, DontFragment: false,
                packet[6], packet[40..].ToArray());
        }

        return null;
    }
}
