using System.Buffers.Binary;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Checksums of datagrams as the kernel leaves them where a device is to finish them: the sum of the pseudo header (RFC 768, RFC 8200).</summary>
internal static class PartialSums
{
    /// <summary>Writes it into a packet, IPv4 without options or IPv6 without extension headers.</summary>
    /// <param name="packet">The packet, IP header first.</param>
    public static void Write(Span<byte> packet)
    {
        bool four = packet[0] >> 4 == 4;
        Span<byte> udp = packet[(four ? 20 : 40)..];
        uint sum = 17u + BinaryPrimitives.ReadUInt16BigEndian(udp[4..]);
        for (int at = four ? 12 : 8; at < (four ? 20 : 40); at += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(packet[at..]);
        }

        while (sum >> 16 != 0)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        BinaryPrimitives.WriteUInt16BigEndian(udp[6..], (ushort)sum);
    }
}
