using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Udp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Reads the Ethernet, IP and UDP headers of a received frame. The XDP program has chosen it by looking at less, so every
/// length is checked here. UDP checksums are not: a frame from this very machine may have none yet, and what is inside is
/// authenticated.
/// </summary>
internal static unsafe class FrameReader
{
    /// <summary>Bytes of an Ethernet header without tags.</summary>
    public const int EthernetSize = 14;

    /// <summary>Bytes of an IPv4 header without options.</summary>
    public const int IPv4Size = 20;

    /// <summary>Bytes of an IPv6 header.</summary>
    public const int IPv6Size = 40;

    /// <summary>Bytes of a UDP header.</summary>
    public const int UdpSize = 8;

    /// <summary>EtherType of IPv4.</summary>
    public const ushort IPv4 = 0x0800;

    /// <summary>EtherType of IPv6.</summary>
    public const ushort IPv6 = 0x86DD;

    /// <summary>The protocol number of UDP.</summary>
    public const byte Udp = 17;

    private const ushort MoreOrOffset = 0x3FFF;
    private const ushort Vlan = 0x8100;
    private const ushort QinQ = 0x88A8;

    /// <summary>Makes a frame a packet of a burst: its payload, where it came from and went to, its congestion mark; or drops it.</summary>
    /// <param name="burst">The burst.</param>
    /// <param name="index">Which packet.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="ifindex">The device it arrived at.</param>
    public static void Read(Burst burst, int index, byte* frame, int length, int ifindex)
    {
        int at = EthernetSize;
        if (length < at)
        {
            Refuse(burst, index, frame, length);
            return;
        }

        ushort type = Word(frame + 12);
        for (int tags = 0; tags < 2 && type is Vlan or QinQ; tags++)
        {
            if (length < at + 4)
            {
                break;
            }

            type = Word(frame + at + 2);
            at += 4;

            // It arrived at a device on top of this one, whose number nobody has told; the address is enough to answer from.
            ifindex = 0;
        }

        bool read = type switch
        {
            IPv4 => ReadIPv4(burst, index, frame + at, length - at, ifindex),
            IPv6 => ReadIPv6(burst, index, frame + at, length - at, ifindex),
            _ => false,
        };
        if (!read)
        {
            Refuse(burst, index, frame, length);
        }
    }

    /// <summary>
    /// The same for a frame that the XDP program has read: headers are taken from where its hints say, and only if there are none,
    /// or they do not fit the frame, are they looked for.
    /// </summary>
    /// <param name="burst">The burst.</param>
    /// <param name="index">Which packet.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="room">Bytes that belong to the frame's chunk in front of it.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="ifindex">The device it arrived at.</param>
    public static void Read(Burst burst, int index, byte* frame, int room, int length, int ifindex)
    {
        ref PacketHints hints = ref burst.Hints[index];
        if (!PacketHints.TryTake(frame, room, length, ref hints))
        {
            Read(burst, index, frame, length, ifindex);
            return;
        }

        burst.HasHints = true;
        if (!hints.IsPlainDatagram)
        {
            Read(burst, index, frame, length, ifindex);
            return;
        }

        burst.Data[index] = (nint)(frame + hints.Payload);
        burst.Length[index] = hints.PayloadLength;
        byte* ip = frame + hints.Network;
        ushort port = Word(frame + hints.Transport);

        // A tag stands in the frame, or the card has taken it out: as above, the device is one on top of this one.
        int arrival = hints.Has(HintFields.Vlan) ? 0 : ifindex;
        if (hints.IPVersion == 4)
        {
            burst.Ecn[index] = (byte)(ip[1] & 3);
            burst.From[index] = new EndpointAddress(Address(ip + 12), port, false, 0);
            burst.To[index] = new SourceAddress(Address(ip + 16), arrival);
            if (Checksum.Fold(Checksum.SumHeader(ip)) != 0xFFFF)
            {
                burst.Drop(index, DropReason.InOuterHdrError);
            }
        }
        else
        {
            bool linkLocal = (ip[8] == 0xFE) && ((ip[9] & 0xC0) == 0x80);
            burst.Ecn[index] = (byte)((ip[1] >> 4) & 3);
            burst.From[index] = new EndpointAddress(SocketAddress.ReadAddress(ip + 8), port, true, linkLocal ? (uint)arrival : 0);
            burst.To[index] = new SourceAddress(SocketAddress.ReadAddress(ip + 24), arrival);
        }
    }

    private static void Refuse(Burst burst, int index, byte* frame, int length)
    {
        burst.Data[index] = (nint)frame;
        burst.Length[index] = length;
        burst.Ecn[index] = 0;
        burst.From[index] = default;
        burst.To[index] = default;
        burst.Drop(index, DropReason.InOuterHdrError);
    }

    private static bool ReadIPv4(Burst burst, int index, byte* ip, int length, int ifindex)
    {
        if (length < IPv4Size + UdpSize || ip[0] != 0x45 || ip[9] != Udp || Checksum.Fold(Checksum.SumHeader(ip)) != 0xFFFF)
        {
            return false;
        }

        // Short frames are padded, so the header knows the length better than the frame. A fragment is no datagram, whatever a later one's bytes look like.
        int total = Word(ip + 2);
        if (total > length || (Word(ip + 6) & MoreOrOffset) != 0)
        {
            return false;
        }

        burst.Ecn[index] = (byte)(ip[1] & 3);
        burst.From[index] = new EndpointAddress(Address(ip + 12), Word(ip + IPv4Size), false, 0);
        burst.To[index] = new SourceAddress(Address(ip + 16), ifindex);
        return Payload(burst, index, ip + IPv4Size, total - IPv4Size);
    }

    private static bool ReadIPv6(Burst burst, int index, byte* ip, int length, int ifindex)
    {
        if (length < IPv6Size + UdpSize || ip[0] >> 4 != 6 || ip[6] != Udp)
        {
            return false;
        }

        int size = Word(ip + 4);
        if (size > length - IPv6Size)
        {
            return false;
        }

        UInt128 from = SocketAddress.ReadAddress(ip + 8);
        burst.Ecn[index] = (byte)((ip[1] >> 4) & 3);
        bool linkLocal = (ip[8] == 0xFE) && ((ip[9] & 0xC0) == 0x80);
        burst.From[index] = new EndpointAddress(from, Word(ip + IPv6Size), true, linkLocal ? (uint)ifindex : 0);
        burst.To[index] = new SourceAddress(SocketAddress.ReadAddress(ip + 24), ifindex);
        return Payload(burst, index, ip + IPv6Size, size);
    }

    private static bool Payload(Burst burst, int index, byte* udp, int length)
    {
        if (length < UdpSize)
        {
            return false;
        }

        int size = Word(udp + 4);
        if (size < UdpSize || size > length)
        {
            return false;
        }

        burst.Data[index] = (nint)(udp + UdpSize);
        burst.Length[index] = size - UdpSize;
        return true;
    }

    private static ushort Word(byte* at) => BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<ushort>(at));

    private static uint Address(byte* at) => BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<uint>(at));
}
