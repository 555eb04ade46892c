using System.Runtime.CompilerServices;
using TunnelBox.DataPath.Tun;

namespace TunnelBox.DataPath.Xdp;

/// <summary>Lowers the maximum segment size that a TCP SYN announces (RFC 9293, section 3.7.1), so that no segment needs to be broken up on the way.</summary>
internal static unsafe class MssClamp
{
    private const byte Tcp = 6;
    private const byte Syn = 2;
    private const int TcpHeader = 20;
    private const byte EndOfOptions = 0;
    private const byte NoOperation = 1;
    private const byte MaximumSegmentSize = 2;

    /// <summary>Lowers it in one packet; what is no SYN with that option, or announces no more, is left as it is.</summary>
    /// <param name="packet">A measured IP packet.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="mtu">Bytes of the largest packet on the way.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Apply(byte* packet, int length, int mtu)
    {
        bool isIPv6 = packet[0] >> 4 == 6;
        if (packet[isIPv6 ? 6 : 9] != Tcp)
        {
            return;
        }

        int start = isIPv6 ? InnerPacket.IPv6Header : (packet[0] & 15) * 4;
        if (start + TcpHeader <= length && (packet[start + 13] & Syn) != 0)
        {
            Lower(packet, start, length, mtu - TcpHeader - (isIPv6 ? InnerPacket.IPv6Header : InnerPacket.IPv4Header));
        }
    }

    private static void Lower(byte* packet, int start, int length, int most)
    {
        const int OffsetMask = 0x1FFF;
        if (packet[0] >> 4 == 4 && (SegmentHeaders.Read16(packet + 6) & OffsetMask) != 0)
        {
            return;
        }

        byte* tcp = packet + start;
        int end = Math.Min((tcp[12] >> 4) * 4, length - start);
        for (int at = TcpHeader; at + 4 <= end;)
        {
            byte kind = tcp[at];
            if (kind == EndOfOptions)
            {
                return;
            }

            if (kind == NoOperation)
            {
                at++;
                continue;
            }

            int size = tcp[at + 1];
            if (size < 2)
            {
                return;
            }

            if (kind == MaximumSegmentSize && size == 4)
            {
                int announced = SegmentHeaders.Read16(tcp + at + 2);
                if (announced > most && most > 0)
                {
                    SegmentHeaders.Write16(tcp + at + 2, most);
                    Amend(tcp + SegmentHeaders.TcpChecksum, announced, most, (at & 1) != 0);
                }

                return;
            }

            at += size;
        }
    }

    // RFC 1624, equation 3; at an odd offset the two bytes stand in two words, which swaps them.
    private static void Amend(byte* checksum, int before, int after, bool odd)
    {
        ushort Word(int value) => odd ? (ushort)((value << 8) | (value >> 8)) : (ushort)value;
        uint sum = (uint)(ushort)~SegmentHeaders.Read16(checksum) + (ushort)~Word(before) + Word(after);
        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        SegmentHeaders.Write16(checksum, (ushort)~sum);
    }
}
