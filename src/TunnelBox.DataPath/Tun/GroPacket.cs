using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tun;

/// <summary>What the headers of a packet on its way into a TUN queue say, as far as joining needs it.</summary>
internal unsafe struct GroPacket
{
    /// <summary>Offset of the TCP or UDP header.</summary>
    public int Transport;

    /// <summary>Bytes of all headers.</summary>
    public int Headers;

    /// <summary>Bytes behind them.</summary>
    public int Payload;

    /// <summary>Mixed from addresses, ports and protocol.</summary>
    public uint Hash;

    /// <summary>Whether it is IPv6.</summary>
    public bool IsIPv6;

    /// <summary>Whether it is UDP rather than TCP.</summary>
    public bool Udp;

    /// <summary>Whether header and transport checksums were verified.</summary>
    public bool Verified;

    /// <summary>Looks at a packet.</summary>
    /// <param name="packet">Its bytes.</param>
    /// <param name="length">How many.</param>
    /// <param name="offloads">Which kinds may be joined.</param>
    /// <param name="parsed">What was found; all zero unless the packet belongs to a flow.</param>
    /// <returns>What may be done with it.</returns>
    public static GroKind Classify(byte* packet, int length, TunOffloads offloads, out GroPacket parsed)
    {
        parsed = default;
        if (length < 20)
        {
            return GroKind.Barrier;
        }

        return (packet[0] >> 4) switch
        {
            4 => ClassifyIPv4(packet, length, offloads, ref parsed),
            6 when length >= 40 => ClassifyIPv6(packet, length, offloads, ref parsed),
            _ => GroKind.Barrier,
        };
    }

    /// <summary>Compares addresses, ports and protocols.</summary>
    /// <param name="a">One packet.</param>
    /// <param name="b">The other.</param>
    /// <param name="parsedA">What is known of one.</param>
    /// <param name="parsedB">What is known of the other.</param>
    /// <returns>True when both belong to the same flow.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool SameFlow(byte* a, byte* b, in GroPacket parsedA, in GroPacket parsedB)
    {
        if (parsedA.Hash != parsedB.Hash || parsedA.Udp != parsedB.Udp || parsedA.IsIPv6 != parsedB.IsIPv6
            || Unsafe.ReadUnaligned<uint>(a + parsedA.Transport) != Unsafe.ReadUnaligned<uint>(b + parsedB.Transport))
        {
            return false;
        }

        return parsedA.IsIPv6
            ? Unsafe.ReadUnaligned<UInt128>(a + 8) == Unsafe.ReadUnaligned<UInt128>(b + 8)
                && Unsafe.ReadUnaligned<UInt128>(a + 24) == Unsafe.ReadUnaligned<UInt128>(b + 24)
            : Unsafe.ReadUnaligned<ulong>(a + 12) == Unsafe.ReadUnaligned<ulong>(b + 12);
    }

    private static GroKind ClassifyIPv4(byte* packet, int length, TunOffloads offloads, ref GroPacket parsed)
    {
        int protocol = packet[9];
        bool fragment = (SegmentHeaders.Read16(packet + 6) & 0x3FFF) != 0;
        if (packet[0] != 0x45 || fragment || SegmentHeaders.Read16(packet + 2) != length)
        {
            return GroKind.Barrier;
        }

        if (protocol is not (Definitions.IPPROTO_TCP or Definitions.IPPROTO_UDP))
        {
            return GroKind.Other;
        }

        ulong addresses = Unsafe.ReadUnaligned<ulong>(packet + 12);
        parsed.Transport = 20;
        parsed.Udp = protocol == Definitions.IPPROTO_UDP;
        bool headerValid = Checksum.Fold(Checksum.Sum(packet, 20)) == 0xFFFF;
        bool allowed = headerValid && (parsed.Udp ? offloads.Udp4 : offloads.Tcp4);
        return ClassifyTransport(packet, length, addresses, headerValid, allowed, ref parsed);
    }

    private static GroKind ClassifyIPv6(byte* packet, int length, TunOffloads offloads, ref GroPacket parsed)
    {
        int protocol = packet[6];
        if (SegmentHeaders.Read16(packet + 4) + 40 != length)
        {
            return GroKind.Barrier;
        }

        if (protocol is not (Definitions.IPPROTO_TCP or Definitions.IPPROTO_UDP))
        {
            // Behind an extension header anything may follow, also a fragment of a flow.
            return protocol is Definitions.IPPROTO_ICMPV6 ? GroKind.Other : GroKind.Barrier;
        }

        ulong addresses = Unsafe.ReadUnaligned<ulong>(packet + 8) ^ (Unsafe.ReadUnaligned<ulong>(packet + 16) * 3)
            ^ Unsafe.ReadUnaligned<ulong>(packet + 24) ^ (Unsafe.ReadUnaligned<ulong>(packet + 32) * 5);
        parsed.Transport = 40;
        parsed.IsIPv6 = true;
        parsed.Udp = protocol == Definitions.IPPROTO_UDP;
        bool allowed = parsed.Udp ? offloads.Udp6 : offloads.Tcp6;
        return ClassifyTransport(packet, length, addresses, headerValid: true, allowed, ref parsed);
    }

    private static GroKind ClassifyTransport(
        byte* packet, int length, ulong addresses, bool headerValid, bool allowed, ref GroPacket parsed)
    {
        byte* transport = packet + parsed.Transport;
        int available = length - parsed.Transport;
        int header = 8;
        if (available < 8)
        {
            return GroKind.Barrier;
        }

        if (!parsed.Udp)
        {
            header = available < 20 ? 0 : (transport[12] >> 4) * 4;
            if (header < 20 || header > available)
            {
                return GroKind.Barrier;
            }
        }

        addresses += Unsafe.ReadUnaligned<uint>(transport);
        parsed.Hash = (uint)((addresses * 0x9E3779B97F4A7C15) >> 40);
        parsed.Headers = parsed.Transport + header;
        parsed.Payload = length - parsed.Headers;

        // Without a checksum there is nothing to verify, and joining would make one.
        if (!headerValid || (parsed.Udp && (SegmentHeaders.Raw16(transport + 6) == 0 || SegmentHeaders.Read16(transport + 4) != available)))
        {
            return GroKind.Single;
        }

        ulong sum = SegmentHeaders.PseudoSum(packet, parsed.IsIPv6, parsed.Udp ? Definitions.IPPROTO_UDP : Definitions.IPPROTO_TCP)
            + SegmentHeaders.Network16((ushort)available);
        parsed.Verified = Checksum.Fold(Checksum.Sum(transport, available, sum)) == 0xFFFF;
        if (!parsed.Verified || !allowed || parsed.Payload == 0)
        {
            return GroKind.Single;
        }

        // ACK alone, or with PSH or an echoed congestion mark; everything else changes the connection's state.
        return parsed.Udp || (transport[13] & ~(SegmentHeaders.Psh | SegmentHeaders.Ece)) == SegmentHeaders.Ack
            ? GroKind.Candidate
            : GroKind.Single;
    }
}
