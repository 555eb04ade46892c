using System.Buffers.Binary;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Control;

/// <summary>
/// Makes the IP and UDP headers of an outer packet from the addresses of its socket: the kernel wrote or took off the real ones, and a dissector
/// needs some. Fields that nobody knows (identification, hop limit, checksum of UDP over IPv4) are zero or usual.
/// </summary>
public static class OuterHeader
{
    /// <summary>Most bytes of the headers.</summary>
    public const int MaxSize = 48;

    private const int UdpSize = 8;
    private const byte UdpProtocol = 17;
    private const byte HopLimit = 64;

    /// <summary>Writes the headers.</summary>
    /// <param name="head">The record.</param>
    /// <param name="payload">What was captured of the UDP payload.</param>
    /// <param name="header">At least <see cref="MaxSize"/> bytes.</param>
    /// <returns>Bytes written: 28, 48, or 0 where no outer path is known.</returns>
    public static int Write(in RingRecord head, ReadOnlySpan<byte> payload, Span<byte> header)
    {
        bool inward = head.Direction == PacketDirection.In;
        int udpLength = (int)Math.Min(head.OuterLength + UdpSize, ushort.MaxValue);
        int size;
        switch (head.OuterFamily)
        {
            case 4:
                size = 20;
                header[..size].Clear();
                header[0] = 0x45;
                header[1] = head.Ecn;
                BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)Math.Min(size + udpLength, ushort.MaxValue));
                header[8] = HopLimit;
                header[9] = UdpProtocol;
                BinaryPrimitives.WriteUInt32BigEndian(header[12..], (uint)(inward ? head.RemoteLow : head.LocalLow));
                BinaryPrimitives.WriteUInt32BigEndian(header[16..], (uint)(inward ? head.LocalLow : head.RemoteLow));
                BinaryPrimitives.WriteUInt16BigEndian(header[10..], (ushort)~Sum(header[..size], 0));
                break;
            case 6:
                size = 40;
                header[..size].Clear();
                BinaryPrimitives.WriteUInt32BigEndian(header, (6u << 28) | ((uint)head.Ecn << 20));
                BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)udpLength);
                header[6] = UdpProtocol;
                header[7] = HopLimit;
                WriteAddress(header[8..], inward ? (head.RemoteHigh, head.RemoteLow) : (head.LocalHigh, head.LocalLow));
                WriteAddress(header[24..], inward ? (head.LocalHigh, head.LocalLow) : (head.RemoteHigh, head.RemoteLow));
                break;
            default:
                return 0;
        }

        Span<byte> udp = header.Slice(size, UdpSize);
        udp.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(udp, inward ? head.RemotePort : head.LocalPort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], inward ? head.LocalPort : head.RemotePort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udpLength);
        if (size == 40 && payload.Length == head.OuterLength)
        {
            // Over IPv6 none may be left out (RFC 8200, section 8.1); of a packet that was cut it cannot be known.
            uint sum = Sum(header.Slice(8, 32), (uint)udpLength + UdpProtocol);
            sum = Sum(payload, Sum(udp, sum));
            BinaryPrimitives.WriteUInt16BigEndian(udp[6..], sum == 0xFFFF ? (ushort)0xFFFF : (ushort)~sum);
        }

        return size + UdpSize;
    }

    private static void WriteAddress(Span<byte> to, (ulong High, ulong Low) address)
    {
        BinaryPrimitives.WriteUInt64BigEndian(to, address.High);
        BinaryPrimitives.WriteUInt64BigEndian(to[8..], address.Low);
    }

    private static uint Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (int i = 0; i + 1 < bytes.Length; i += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes[i..]);
        }

        if (bytes.Length % 2 != 0)
        {
            sum += (uint)bytes[^1] << 8;
        }

        while (sum >> 16 != 0)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return sum;
    }
}
