using System.Runtime.CompilerServices;
using TunnelBox.DataPath.Tun;
using TunnelBox.DataPath.Udp;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Tells a sender why its packet went no further (RFC 792, RFC 1191, RFC 4443): at most 1,000 messages a second, as the kernel
/// has it (net.ipv4.icmp_msgs_per_sec), and none about errors, fragments or what nobody sent alone.
/// </summary>
internal sealed unsafe class IcmpErrors
{
    /// <summary>Most bytes of a message: IPv6's smallest MTU.</summary>
    public const int Largest = 1280;

    private const int LargestIPv4 = 576;
    private const int Header = 8;
    private const byte Icmp = 1;
    private const byte IcmpV6 = 58;
    private const byte Fragment = 44;
    private const int PerSecond = 1000;
    private const int AtOnce = 50;
    private const byte Hops = 64;

    private long _tokens = AtOnce * 1000L;
    private long _last = Environment.TickCount64;

    /// <summary>Writes the message about one packet.</summary>
    /// <param name="to">Room for <see cref="Largest"/> bytes: the whole packet goes there.</param>
    /// <param name="packet">The measured packet that goes no further, as it came.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="sources">Our address of each family, 0 for none.</param>
    /// <param name="mtu">What would have gone through in bytes; 0 to say that its hops are used up.</param>
    /// <returns>The message's bytes; 0 where none is to be sent.</returns>
    public int Write(byte* to, byte* packet, int length, (UInt128 Four, UInt128 Six) sources, int mtu)
    {
        bool isIPv6 = packet[0] >> 4 == 6;
        if (!(isIPv6 ? sources.Six != 0 && MayTellIPv6(packet, length) : sources.Four != 0 && MayTellIPv4(packet, length)) || !TakeToken())
        {
            return 0;
        }

        return isIPv6 ? WriteIPv6(to, packet, length, sources.Six, mtu) : WriteIPv4(to, packet, length, (uint)sources.Four, mtu);
    }

    private static bool MayTellIPv4(byte* packet, int length)
    {
        const int OffsetMask = 0x1FFF;
        int header = (packet[0] & 15) * 4;
        if ((SegmentHeaders.Read16(packet + 6) & OffsetMask) != 0 || packet[12] is 0 or 127 or >= 224 || packet[16] is 0 or 127 or >= 224)
        {
            return false;
        }

        // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
        return packet[9] != Icmp || (length > header && packet[header] is not (3 or 4 or 5 or 11 or 12));
    }

    private static bool MayTellIPv6(byte* packet, int length)
    {
        bool lone = packet[8] != 0xFF && packet[24] != 0xFF && Unsafe.ReadUnaligned<UInt128>(packet + 8) != 0;
        return lone && packet[6] switch
        {
            // Errors are the types below 128; behind other headers nobody looks.
            IcmpV6 => length > InnerPacket.IPv6Header && packet[InnerPacket.IPv6Header] >= 128,
            Fragment => length >= InnerPacket.IPv6Header + 8 && (SegmentHeaders.Read16(packet + InnerPacket.IPv6Header + 2) & 0xFFF8) == 0,
            _ => true,
        };
    }

    private static int WriteIPv4(byte* to, byte* packet, int length, uint source, int mtu)
    {
        int quoted = Math.Min(length, LargestIPv4 - InnerPacket.IPv4Header - Header);
        int total = InnerPacket.IPv4Header + Header + quoted;
        new Span<byte>(to, InnerPacket.IPv4Header + Header).Clear();
        to[0] = 0x45;
        SegmentHeaders.Write16(to + 2, total);
        to[8] = Hops;
        to[9] = Icmp;
        SegmentHeaders.Write32(to + 12, source);
        Unsafe.CopyBlockUnaligned(to + 16, packet + 12, 4);
        SegmentHeaders.WriteRaw16(to + 10, (ushort)~Checksum.Fold(Checksum.Sum(to, InnerPacket.IPv4Header)));
        byte* icmp = to + InnerPacket.IPv4Header;
        icmp[0] = (byte)(mtu > 0 ? 3 : 11);
        icmp[1] = (byte)(mtu > 0 ? 4 : 0);
        SegmentHeaders.Write16(icmp + 6, mtu);
        Unsafe.CopyBlockUnaligned(icmp + Header, packet, (uint)quoted);
        SegmentHeaders.WriteRaw16(icmp + 2, (ushort)~Checksum.Fold(Checksum.Sum(icmp, Header + quoted)));
        return total;
    }

    private static int WriteIPv6(byte* to, byte* packet, int length, UInt128 source, int mtu)
    {
        int quoted = Math.Min(length, Largest - InnerPacket.IPv6Header - Header);
        new Span<byte>(to, InnerPacket.IPv6Header + Header).Clear();
        to[0] = 0x60;
        SegmentHeaders.Write16(to + 4, Header + quoted);
        to[6] = IcmpV6;
        to[7] = Hops;
        SocketAddress.WriteAddress(source, to + 8);
        Unsafe.CopyBlockUnaligned(to + 24, packet + 8, 16);
        byte* icmp = to + InnerPacket.IPv6Header;
        icmp[0] = (byte)(mtu > 0 ? 2 : 3);
        SegmentHeaders.Write32(icmp + 4, (uint)mtu);
        Unsafe.CopyBlockUnaligned(icmp + Header, packet, (uint)quoted);
        ulong sum = SegmentHeaders.PseudoSum(to, isIPv6: true, IcmpV6) + SegmentHeaders.Network16((ushort)(Header + quoted));
        SegmentHeaders.WriteRaw16(icmp + 2, (ushort)~Checksum.Fold(Checksum.Sum(icmp, Header + quoted, sum)));
        return InnerPacket.IPv6Header + Header + quoted;
    }

    private bool TakeToken()
    {
        long now = Environment.TickCount64;
        _tokens = Math.Min(_tokens + ((now - _last) * PerSecond), AtOnce * 1000L);
        _last = now;
        if (_tokens < 1000)
        {
            return false;
        }

        _tokens -= 1000;
        return true;
    }
}
