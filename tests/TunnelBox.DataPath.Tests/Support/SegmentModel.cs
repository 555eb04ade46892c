using System.Buffers.Binary;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Segmentation the slow and obvious way: every field by its offset, every sum from the start, in plain arrays.</summary>
internal static class SegmentModel
{
    /// <summary>Cuts a packet, or returns null when header and packet contradict each other.</summary>
    public static List<byte[]>? Split(virtio_net_hdr header, byte[] packet)
    {
        int type = header.gso_type & 0x7F;
        if (packet.Length is < 20 or > 65535 || header.gso_size == 0 || (header.flags & 1) == 0)
        {
            return null;
        }

        int version = packet[0] >> 4;
        bool udp = type == 5;
        if (!(type == 1 && version == 4) && !(type == 4 && version == 6) && !(udp && version is 4 or 6))
        {
            return null;
        }

        int protocol = udp ? 17 : 6;
        int start = header.csum_start;
        if (header.csum_offset != (udp ? 6 : 16) || !(version == 4 ? FitsIPv4(packet, start, protocol) : FitsIPv6(packet, start, protocol)))
        {
            return null;
        }

        int left = packet.Length - start;
        if (left < (udp ? 8 : 20))
        {
            return null;
        }

        int transportHeader = udp ? 8 : (packet[start + 12] >> 4) * 4;
        if (udp ? Word(packet, start + 4) != left : transportHeader < 20 || transportHeader > left)
        {
            return null;
        }

        int headers = start + transportHeader;
        var segments = new List<byte[]>();
        int offset = 0;
        do
        {
            int payload = Math.Min(header.gso_size, packet.Length - headers - offset);
            byte[] segment = [.. packet.AsSpan(0, headers), .. packet.AsSpan(headers + offset, payload)];
            bool last = headers + offset + payload == packet.Length;
            Finish(segment, packet, start, udp, version, offset, segments.Count, last, left);
            segments.Add(segment);
            offset += payload;
        }
        while (headers + offset < packet.Length);
        return segments;
    }

    public static int Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);

    public static void SetWord(Span<byte> bytes, int at, int value) => BinaryPrimitives.WriteUInt16BigEndian(bytes[at..], (ushort)value);

    /// <summary>Whether a finished packet's transport checksum is right, from addresses and payload alone.</summary>
    public static bool TransportChecksumIsRight(byte[] packet, int start) => TransportSum(packet, start) == 0xFFFF;

    /// <summary>Sum of pseudo header and transport part as the packet stands.</summary>
    public static ushort TransportSum(byte[] packet, int start)
    {
        bool v6 = packet[0] >> 4 == 6;
        uint carry = (uint)(packet.Length - start + (v6 ? packet[6] : packet[9]));
        carry = ChecksumTests.Slow(v6 ? packet.AsSpan(8, 32) : packet.AsSpan(12, 8), carry);
        return ChecksumTests.Slow(packet.AsSpan(start), carry);
    }

    /// <summary>Fills in a finished checksum.</summary>
    public static void SetTransportChecksum(byte[] packet, int start, bool udp)
    {
        int at = start + (udp ? 6 : 16);
        SetWord(packet, at, 0);
        int checksum = ~TransportSum(packet, start) & 0xFFFF;
        SetWord(packet, at, udp && checksum == 0 ? 0xFFFF : checksum);
    }

    /// <summary>Fills in the IPv4 header checksum.</summary>
    public static void SetHeaderChecksum(byte[] packet)
    {
        SetWord(packet, 10, 0);
        SetWord(packet, 10, ~ChecksumTests.Slow(packet.AsSpan(0, (packet[0] & 15) * 4)));
    }

    /// <summary>Fills in what the kernel leaves in an unfinished packet: the pseudo header's sum.</summary>
    public static void SetPartialChecksum(byte[] packet, int start, bool udp)
    {
        bool v6 = packet[0] >> 4 == 6;
        uint carry = (uint)(packet.Length - start + (udp ? 17 : 6));
        SetWord(packet, start + (udp ? 6 : 16), ChecksumTests.Slow(v6 ? packet.AsSpan(8, 32) : packet.AsSpan(12, 8), carry));
    }

    private static bool FitsIPv4(byte[] packet, int start, int protocol)
    {
        int header = (packet[0] & 15) * 4;
        return header >= 20 && header == start && header <= packet.Length && packet[9] == protocol
            && Word(packet, 2) == packet.Length && (Word(packet, 6) & 0x3FFF) == 0;
    }

    private static bool FitsIPv6(byte[] packet, int start, int protocol)
    {
        if (packet.Length < 40 || start < 40 || start >= packet.Length || Word(packet, 4) + 40 != packet.Length)
        {
            return false;
        }

        int next = packet[6];
        int at = 40;
        while (at < start)
        {
            if (next is not (0 or 43 or 60) || at + 8 > start)
            {
                return false;
            }

            next = packet[at];
            at += (packet[at + 1] * 8) + 8;
        }

        return at == start && next == protocol;
    }

    private static void Finish(
        byte[] segment, byte[] whole, int start, bool udp, int version, int offset, int number, bool last, int wholeLength)
    {
        if (version == 4)
        {
            SetWord(segment, 2, segment.Length);
            SetWord(segment, 4, Word(whole, 4) + number);
            SetHeaderChecksum(segment);
        }
        else
        {
            SetWord(segment, 4, segment.Length - 40);
        }

        // The pseudo header's sum as the kernel left it, with the segment's length in place of the whole's.
        int length = segment.Length - start;
        int at = start + (udp ? 6 : 16);
        uint partial = (uint)(Word(whole, at) + (~wholeLength & 0xFFFF) + length);
        if (udp)
        {
            SetWord(segment, start + 4, length);
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(
                segment.AsSpan(start + 4), BinaryPrimitives.ReadUInt32BigEndian(whole.AsSpan(start + 4)) + (uint)offset);
            segment[start + 13] &= last ? (byte)0xFF : (byte)0xF6;
            segment[start + 13] &= offset == 0 ? (byte)0xFF : (byte)0x7F;
        }

        SetWord(segment, at, 0);
        int checksum = ~ChecksumTests.Slow(segment.AsSpan(start), partial) & 0xFFFF;
        SetWord(segment, at, udp && checksum == 0 ? 0xFFFF : checksum);
    }
}
