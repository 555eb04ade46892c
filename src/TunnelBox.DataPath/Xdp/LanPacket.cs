using System.Runtime.CompilerServices;
using TunnelBox.DataPath.Tun;

namespace TunnelBox.DataPath.Xdp;

/// <summary>What a router does to a packet that it passes on (RFC 1812, section 5.3; RFC 8200), and what it must know of a frame.</summary>
internal static unsafe class LanPacket
{
    /// <summary>The protocol number of TCP.</summary>
    public const byte Tcp = 6;

    /// <summary>Finds the packet in a received frame. The XDP program has chosen it by looking at less, so every length is checked here.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="length">Its bytes.</param>
    /// <returns>The packet's bytes, which begin behind the Ethernet header; 0 where it is none that can be passed on.</returns>
    public static int Measure(byte* frame, int length)
    {
        const int Ethernet = FrameReader.EthernetSize;
        if (length < Ethernet + InnerPacket.IPv4Header)
        {
            return 0;
        }

        byte* packet = frame + Ethernet;
        int measured = InnerPacket.Measure(packet, length - Ethernet);
        int type = SegmentHeaders.Read16(frame + 12);
        if (packet[0] >> 4 == 4)
        {
            return type == FrameReader.IPv4 && packet[0] == 0x45 && Checksum.Fold(Checksum.Sum(packet, InnerPacket.IPv4Header)) == 0xFFFF ? measured : 0;
        }

        return type == FrameReader.IPv6 ? measured : 0;
    }

    /// <summary>Reads where a measured packet goes.</summary>
    /// <param name="packet">The packet.</param>
    /// <returns>The address.</returns>
    public static HostAddress Destination(byte* packet) => packet[0] >> 4 == 4
        ? new HostAddress(SegmentHeaders.Read32(packet + 16), false)
        : new HostAddress(Udp.SocketAddress.ReadAddress(packet + 24), true);

    /// <summary>Reads how many hops a measured packet may go on.</summary>
    /// <param name="packet">The packet.</param>
    /// <returns>TTL or hop limit.</returns>
    public static byte Hops(byte* packet) => packet[0] >> 4 == 4 ? packet[8] : packet[7];

    /// <summary>Whether routers may break a measured packet up.</summary>
    /// <param name="packet">The packet.</param>
    /// <returns>True for IPv4 without "don't fragment".</returns>
    public static bool MayBreak(byte* packet) => packet[0] >> 4 == 4 && (packet[6] & 0x40) == 0;

    /// <summary>Takes one hop from a measured packet that has more than one left.</summary>
    /// <param name="packet">The packet.</param>
    public static void TakeHop(byte* packet)
    {
        if (packet[0] >> 4 == 6)
        {
            packet[7]--;
            return;
        }

        packet[8]--;

        // The word of TTL and protocol sank by 0x0100, so the checksum rises by it (RFC 1141).
        uint sum = (uint)SegmentHeaders.Read16(packet + 10) + 0x0100;
        SegmentHeaders.Write16(packet + 10, (int)(sum + (sum >> 16)));
    }

    /// <summary>
    /// Finishes the TCP or UDP checksum of a packet whose sender left that to its device. A virtual device does not, since the bytes
    /// never reach a wire; then the checksum's place holds the pseudo header's sum.
    /// </summary>
    /// <param name="packet">A measured packet.</param>
    /// <param name="length">Its bytes.</param>
    public static void FinishChecksum(byte* packet, int length)
    {
        const int MoreOrOffset = 0x3FFF;
        bool isIPv6 = packet[0] >> 4 == 6;
        byte protocol = packet[isIPv6 ? 6 : 9];
        int start = isIPv6 ? InnerPacket.IPv6Header : InnerPacket.IPv4Header;
        int at = protocol == Tcp ? SegmentHeaders.TcpChecksum : SegmentHeaders.UdpChecksum;
        if (protocol is not (Tcp or FrameReader.Udp) || start + at + 2 > length || (!isIPv6 && (SegmentHeaders.Read16(packet + 6) & MoreOrOffset) != 0))
        {
            return;
        }

        // A checksum that is right and looks like that by chance comes out right again.
        ulong pseudo = SegmentHeaders.PseudoSum(packet, isIPv6, protocol) + SegmentHeaders.Network16((ushort)(length - start));
        if (SegmentHeaders.Raw16(packet + start + at) == Checksum.Fold(pseudo))
        {
            SegmentHeaders.StoreChecksum(packet + start + at, Checksum.Sum(packet + start, length - start));
        }
    }

    /// <summary>Writes an Ethernet header.</summary>
    /// <param name="frame">Where.</param>
    /// <param name="to">The receiver's address: 48 bits, the first byte highest.</param>
    /// <param name="from">The sender's.</param>
    /// <param name="isIPv6">What it carries.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteEthernet(byte* frame, ulong to, ulong from, bool isIPv6)
    {
        SegmentHeaders.Write32(frame, (uint)(to >> 16));
        SegmentHeaders.Write16(frame + 4, (ushort)to);
        SegmentHeaders.Write32(frame + 6, (uint)(from >> 16));
        SegmentHeaders.Write16(frame + 10, (ushort)from);
        SegmentHeaders.Write16(frame + 12, isIPv6 ? FrameReader.IPv6 : FrameReader.IPv4);
    }

    /// <summary>Reads the sender's Ethernet address.</summary>
    /// <param name="frame">A frame.</param>
    /// <returns>48 bits, the first byte highest.</returns>
    public static ulong Sender(byte* frame) => ((ulong)SegmentHeaders.Read32(frame + 6) << 16) | SegmentHeaders.Read16(frame + 10);
}
