using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tun;

/// <summary>Reads and writes the fields of IP, TCP and UDP headers that segmentation touches (RFC 791, 8200, 9293, 768).</summary>
internal static unsafe class SegmentHeaders
{
    /// <summary>Offset of the checksum in a TCP header.</summary>
    public const int TcpChecksum = 16;

    /// <summary>Offset of the checksum in a UDP header.</summary>
    public const int UdpChecksum = 6;

    /// <summary>TCP flag: no more data.</summary>
    public const byte Fin = 0x01;

    /// <summary>TCP flag: hand the data up.</summary>
    public const byte Psh = 0x08;

    /// <summary>TCP flag: the acknowledgement counts.</summary>
    public const byte Ack = 0x10;

    /// <summary>TCP flag: congestion was echoed.</summary>
    public const byte Ece = 0x40;

    /// <summary>TCP flag: the congestion window was reduced.</summary>
    public const byte Cwr = 0x80;

    /// <summary>Loads a 16-bit word as it lies in memory.</summary>
    /// <param name="at">Its address.</param>
    /// <returns>The word, not swapped.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Raw16(byte* at) => Unsafe.ReadUnaligned<ushort>(at);

    /// <summary>Loads a big-endian 16-bit number.</summary>
    /// <param name="at">Its address.</param>
    /// <returns>The number.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Read16(byte* at) => Network16(Unsafe.ReadUnaligned<ushort>(at));

    /// <summary>Loads a big-endian 32-bit number.</summary>
    /// <param name="at">Its address.</param>
    /// <returns>The number.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Read32(byte* at)
    {
        uint value = Unsafe.ReadUnaligned<uint>(at);
        return BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
    }

    /// <summary>Stores a big-endian 16-bit number.</summary>
    /// <param name="at">Its address.</param>
    /// <param name="value">The number.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write16(byte* at, int value) => Unsafe.WriteUnaligned(at, Network16((ushort)value));

    /// <summary>Stores a big-endian 32-bit number.</summary>
    /// <param name="at">Its address.</param>
    /// <param name="value">The number.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write32(byte* at, uint value) =>
        Unsafe.WriteUnaligned(at, BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value);

    /// <summary>Stores a 16-bit word as it is.</summary>
    /// <param name="at">Its address.</param>
    /// <param name="value">The word, already in memory order.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteRaw16(byte* at, ushort value) => Unsafe.WriteUnaligned(at, value);

    /// <summary>Turns a number into the word that it is in a packet, or back.</summary>
    /// <param name="value">Either.</param>
    /// <returns>The other.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Network16(ushort value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    /// <summary>Sums the pseudo header, without the length.</summary>
    /// <param name="packet">The IP header.</param>
    /// <param name="isIPv6">Its version.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>A sum in memory order.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong PseudoSum(byte* packet, bool isIPv6, int protocol)
    {
        ulong sum = Network16((ushort)protocol);
        if (!isIPv6)
        {
            return sum + Unsafe.ReadUnaligned<uint>(packet + 12) + Unsafe.ReadUnaligned<uint>(packet + 16);
        }

        for (int i = 8; i < 40; i += 4)
        {
            sum += Unsafe.ReadUnaligned<uint>(packet + i);
        }

        return sum;
    }

    /// <summary>Finds the transport header behind IPv6 extension headers that segments may carry.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="end">Where the transport header is said to start; inside the packet.</param>
    /// <param name="protocol">The transport protocol that must be found there.</param>
    /// <returns>True when the chain of headers ends exactly there.</returns>
    public static bool ReachesTransport(byte* packet, int end, int protocol)
    {
        int next = packet[6];
        int offset = 40;
        while (offset < end)
        {
            // Hop-by-hop options, routing and destination options; a fragment is never segmented.
            if (next is not (0 or 43 or 60) || offset + 8 > end)
            {
                return false;
            }

            next = packet[offset];
            offset += (packet[offset + 1] + 1) * 8;
        }

        return offset == end && next == protocol;
    }

    /// <summary>Finishes a checksum that the kernel left to us (VIRTIO_NET_HDR_F_NEEDS_CSUM).</summary>
    /// <param name="header">Says from where and to where.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="length">Its bytes.</param>
    /// <returns>False when the header points outside the packet.</returns>
    public static bool FinishChecksum(virtio_net_hdr* header, byte* packet, int length)
    {
        int start = header->csum_start;
        int at = start + header->csum_offset;
        if (start > length || at + 2 > length)
        {
            return false;
        }

        StoreChecksum(packet + at, Checksum.Sum(packet + start, length - start));
        return true;
    }

    /// <summary>Stores the complement of a sum; zero becomes its other form, since zero means "none" in UDP.</summary>
    /// <param name="at">Where.</param>
    /// <param name="sum">The sum.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreChecksum(byte* at, ulong sum)
    {
        ushort checksum = (ushort)~Checksum.Fold(sum);
        WriteRaw16(at, checksum == 0 ? (ushort)0xFFFF : checksum);
    }
}
