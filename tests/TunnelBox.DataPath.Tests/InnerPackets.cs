using System.Buffers.Binary;
using System.Net;

namespace TunnelBox.DataPath.Tests;

/// <summary>Small inner packets for tests.</summary>
internal static class InnerPackets
{
    public static byte[] IPv4(string source, string destination, int length = 100, byte tos = 0)
    {
        var packet = new byte[length];
        packet[0] = 0x45;
        packet[1] = tos;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
        packet[8] = 64;
        packet[9] = 17;
        IPAddress.Parse(source).TryWriteBytes(packet.AsSpan(12), out _);
        IPAddress.Parse(destination).TryWriteBytes(packet.AsSpan(16), out _);
        for (int i = 20; i < length; i++)
        {
            packet[i] = (byte)i;
        }

        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), HeaderChecksum(packet));
        return packet;
    }

    public static byte[] IPv6(string source, string destination, int length = 100, byte trafficClass = 0)
    {
        var packet = new byte[length];
        packet[0] = (byte)(0x60 | (trafficClass >> 4));
        packet[1] = (byte)(trafficClass << 4);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(length - 40));
        packet[6] = 17;
        packet[7] = 64;
        IPAddress.Parse(source).TryWriteBytes(packet.AsSpan(8), out _);
        IPAddress.Parse(destination).TryWriteBytes(packet.AsSpan(24), out _);
        return packet;
    }

    public static ushort HeaderChecksum(ReadOnlySpan<byte> packet)
    {
        uint sum = 0;
        for (int i = 0; i < 20; i += 2)
        {
            sum += i == 10 ? 0u : BinaryPrimitives.ReadUInt16BigEndian(packet[i..]);
        }

        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~sum;
    }
}
