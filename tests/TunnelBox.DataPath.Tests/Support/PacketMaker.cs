using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Makes inner packets, whole and unsegmented.</summary>
internal static class PacketMaker
{
    /// <summary>A TCP or UDP packet with random addresses, ports and payload; checksums left open.</summary>
    public static byte[] Make(Random random, bool v6, bool udp, int payload, int ipOptions, int tcpOptions, out int start)
    {
        start = (v6 ? 40 : 20) + ipOptions;
        int header = udp ? 8 : 20 + tcpOptions;
        byte[] packet = new byte[start + header + payload];
        random.NextBytes(packet);
        if (v6)
        {
            packet[0] = (byte)(0x60 | (packet[0] & 15));
            SegmentModel.SetWord(packet, 4, packet.Length - 40);
            packet[6] = (byte)(udp ? 17 : 6);
            if (ipOptions > 0)
            {
                packet[40] = packet[6];
                packet[41] = (byte)((ipOptions / 8) - 1);
                packet[6] = (byte)(random.Next(3) switch { 0 => 0, 1 => 43, _ => 60 });
            }
        }
        else
        {
            packet[0] = (byte)(0x40 | (start / 4));
            SegmentModel.SetWord(packet, 2, packet.Length);
            SegmentModel.SetWord(packet, 6, random.Next(2) * 0x4000);
            packet[9] = (byte)(udp ? 17 : 6);
            SegmentModel.SetHeaderChecksum(packet);
        }

        if (udp)
        {
            SegmentModel.SetWord(packet, start + 4, packet.Length - start);
        }
        else
        {
            packet[start + 12] = (byte)((header / 4) << 4);
        }

        return packet;
    }

    /// <summary>An unsegmented packet with the virtio header that the kernel gives it.</summary>
    public static (virtio_net_hdr Header, byte[] Packet) MakeSuper(Random random)
    {
        bool v6 = random.Next(2) == 0;
        bool udp = random.Next(3) == 0;
        int size = random.Next(1, random.Next(8) == 0 ? 9000 : 300);
        int payload = random.Next(random.Next(64) == 0 ? 60000 : 1500);
        int ipOptions = random.Next(6) == 0 ? (v6 ? 8 * random.Next(1, 4) : 4 * random.Next(1, 11)) : 0;
        byte[] packet = Make(random, v6, udp, payload, ipOptions, 4 * random.Next(0, 11), out int start);
        SegmentModel.SetPartialChecksum(packet, start, udp);
        var header = new virtio_net_hdr
        {
            flags = Definitions.VIRTIO_NET_HDR_F_NEEDS_CSUM,
            gso_type = udp ? (byte)5 : v6 ? (byte)4 : (byte)1,
            gso_size = (ushort)size,
            csum_start = (ushort)start,
            csum_offset = (ushort)(udp ? 6 : 16),
            hdr_len = (ushort)random.Next(65536),
        };
        if (!udp && (packet[start + 13] & 0x80) != 0)
        {
            header.gso_type |= Definitions.VIRTIO_NET_HDR_GSO_ECN;
        }

        return (header, packet);
    }

    /// <summary>Damages header or packet in a few places, or cuts the packet.</summary>
    public static void Damage(Random random, ref virtio_net_hdr header, ref byte[] packet)
    {
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            switch (random.Next(9))
            {
                case 0:
                    header.csum_start = (ushort)(random.Next(2) == 0 ? random.Next(100) : random.Next(65536));
                    break;
                case 1:
                    header.csum_offset = (ushort)(random.Next(2) == 0 ? random.Next(20) : random.Next(65536));
                    break;
                case 2:
                    header.gso_size = (ushort)(random.Next(2) == 0 ? random.Next(4) : random.Next(65536));
                    break;
                case 3:
                    header.gso_type = (byte)random.Next(256);
                    break;
                case 4:
                    header.flags = (byte)random.Next(256);
                    break;
                case 5:
                    packet = packet[..random.Next(packet.Length + 1)];
                    break;
                default:
                    if (packet.Length > 0)
                    {
                        packet[random.Next(Math.Min(packet.Length, 90))] = (byte)random.Next(256);
                    }

                    break;
            }
        }
    }
}
