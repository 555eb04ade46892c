using System.Buffers.Binary;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <summary>What the pipeline must know of an inner IP header (RFC 791, RFC 8200), and the congestion marks in it (RFC 6040).</summary>
internal static unsafe class InnerPacket
{
    /// <summary>Shortest IPv4 header, bytes.</summary>
    public const int IPv4Header = 20;

    /// <summary>IPv6 header, bytes.</summary>
    public const int IPv6Header = 40;

    private const byte Ect1 = 1;
    private const byte Ce = 3;

    /// <summary>Measures a decrypted packet by its own header: padding follows it.</summary>
    /// <param name="data">First byte.</param>
    /// <param name="available">Bytes there, including padding.</param>
    /// <returns>The packet's length, or 0 when it is no IP packet or claims to be longer than what is there.</returns>
    public static int Measure(byte* data, int available)
    {
        if (available < IPv4Header)
        {
            return 0;
        }

        int version = data[0] >> 4;
        if (version == 4)
        {
            int length = (data[2] << 8) | data[3];
            return length >= IPv4Header && length <= available ? length : 0;
        }

        if (version == 6 && available >= IPv6Header)
        {
            int length = IPv6Header + ((data[4] << 8) | data[5]);
            return length <= available ? length : 0;
        }

        return 0;
    }

    /// <summary>
    /// Tells whether an inner packet is a UDP datagram with a data message of a session: sealed for that session again, it would
    /// come back again, larger each time.
    /// </summary>
    /// <param name="data">First byte of a measured packet.</param>
    /// <param name="length">Its length.</param>
    /// <param name="receiver">The index by which the peer knows the session; 1 in 2^32 for a foreign session of the peer.</param>
    /// <returns>True for the session's own message.</returns>
    public static bool Carries(byte* data, int length, uint receiver)
    {
        const byte Udp = 17;
        const int UdpHeader = 8;
        bool isIPv4 = data[0] >> 4 == 4;
        if (data[isIPv4 ? 9 : 6] != Udp)
        {
            return false;
        }

        int message = (isIPv4 ? (data[0] & 15) * 4 : IPv6Header) + UdpHeader;
        if (message + DataMessage.MinimumSize > length)
        {
            return false;
        }

        var header = new ReadOnlySpan<byte>(data + message, DataMessage.HeaderSize);
        return BinaryPrimitives.ReadUInt32LittleEndian(header) == (uint)MessageType.Data && DataMessage.Receiver(header) == receiver;
    }

    /// <summary>Reads the congestion mark of an inner packet, which its outer packet copies (RFC 6040, section 4.1, normal mode).</summary>
    /// <param name="data">First byte of a packet whose version is 4 or 6.</param>
    /// <returns>0 to 3.</returns>
    public static byte Ecn(byte* data) => data[0] >> 4 == 4 ? (byte)(data[1] & 3) : (byte)((data[1] >> 4) & 3);

    /// <summary>Combines the outer congestion mark with the inner one on the way out of the tunnel (RFC 6040, section 4.2, figure 4).</summary>
    /// <param name="data">First byte of a measured packet.</param>
    /// <param name="outer">The outer mark, 0 to 3.</param>
    /// <returns><see cref="DropReason.InEcnInvalid"/> for congestion that the inner packet cannot tell of.</returns>
    public static DropReason Decapsulate(byte* data, byte outer)
    {
        if (outer == 0)
        {
            return DropReason.None;
        }

        byte inner = Ecn(data);
        if (inner == 0)
        {
            return outer == Ce ? DropReason.InEcnInvalid : DropReason.None;
        }

        // CE always travels on; ECT(1) replaces ECT(0), as it may be a milder signal.
        if ((outer == Ce && inner != Ce) || (outer == Ect1 && inner == 2))
        {
            SetEcn(data, outer);
        }

        return DropReason.None;
    }

    private static void SetEcn(byte* data, byte mark)
    {
        if (data[0] >> 4 == 6)
        {
            data[1] = (byte)((data[1] & 0xCF) | (mark << 4));
            return;
        }

        // The header checksum follows by the incremental update of RFC 1624, equation 3.
        var header = new Span<byte>(data, IPv4Header);
        ushort before = BinaryPrimitives.ReadUInt16BigEndian(header);
        header[1] = (byte)((header[1] & 0xFC) | mark);
        ushort after = BinaryPrimitives.ReadUInt16BigEndian(header);
        uint sum = (uint)(ushort)~BinaryPrimitives.ReadUInt16BigEndian(header[10..]) + (ushort)~before + after;
        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], (ushort)~sum);
    }
}
