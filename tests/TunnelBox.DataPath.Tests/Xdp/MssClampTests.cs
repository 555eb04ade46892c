using System.Buffers.Binary;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed unsafe class MssClampTests
{
    private static readonly byte[][] s_before = [[], [1], [1, 1], [1, 1, 1], [3, 3, 7], [4, 2, 1], [8, 10, 0, 0, 0, 1, 0, 0, 0, 0]];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_syn_announces_no_more_than_fits_and_its_checksum_stays_right(bool isIPv6)
    {
        int most = 1420 - 20 - (isIPv6 ? 40 : 20);
        foreach (byte[] before in s_before)
        {
            foreach (int announced in new[] { most - 1, most, most + 1, 1460, 65495, 1 })
            {
                foreach (byte flags in new byte[] { 0x02, 0x12, 0xC2 })
                {
                    byte[] packet = Syn(isIPv6, flags, [.. before, 2, 4, (byte)(announced >> 8), (byte)announced], out int start);
                    Apply(packet);
                    Assert.Equal(Math.Min(most, announced), BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(start + 20 + before.Length + 2)));
                    Assert.True(SegmentModel.TransportChecksumIsRight(packet, start));
                }
            }
        }
    }

    [Fact]
    public void Everything_else_stays_as_it_is()
    {
        foreach (bool isIPv6 in new[] { true, false })
        {
            byte[] large = [2, 4, 0xFF, 0xFF];
            Unchanged(Syn(isIPv6, 0x10, large, out _));
            Unchanged(Syn(isIPv6, 0x02, [0, 0, .. large], out _));
            Unchanged(Syn(isIPv6, 0x02, [3, 0, .. large], out _));
            Unchanged(Syn(isIPv6, 0x02, [2, 3, 0xFF, 1], out _));
            Unchanged(Syn(isIPv6, 0x02, [1, 1, 1, 2], out _));
            byte[] udp = Syn(isIPv6, 0x02, large, out _);
            udp[isIPv6 ? 6 : 9] = 17;
            Unchanged(udp);

            // Options that are said to be longer than the packet is.
            byte[] cut = Syn(isIPv6, 0x02, large, out int start);
            cut[start + 12] = 0xF0;
            Unchanged(cut[..(start + 23)]);
            Unchanged(cut[..(start + 19)]);
        }

        byte[] fragment = Syn(false, 0x02, [2, 4, 0xFF, 0xFF], out _);
        fragment[7] = 1;
        Unchanged(fragment);
    }

    [Fact]
    public void No_packet_makes_it_read_beyond_its_end()
    {
        var random = new Random(1);
        using var memory = new GuardedMemory(256);
        for (int round = 0; round < 200_000; round++)
        {
            int length = random.Next(40, 128);
            byte* packet = memory.End - length;
            random.NextBytes(new Span<byte>(packet, length));
            bool isIPv6 = random.Next(2) == 0;
            packet[0] = (byte)(isIPv6 ? 0x60 : 0x40 | random.Next(5, 16));
            packet[isIPv6 ? 6 : 9] = 6;
            MssClamp.Apply(packet, length, random.Next(0, 2000));
        }
    }

    private static byte[] Syn(bool isIPv6, byte flags, byte[] options, out int start)
    {
        byte[] padded = [.. options, .. new byte[((options.Length + 3) & ~3) - options.Length]];
        start = isIPv6 ? 40 : 20;
        byte[] packet = new byte[start + 20 + padded.Length];
        packet[0] = (byte)(isIPv6 ? 0x60 : 0x45);
        packet[isIPv6 ? 6 : 9] = 6;
        SegmentModel.SetWord(packet, isIPv6 ? 4 : 2, isIPv6 ? packet.Length - 40 : packet.Length);
        packet[start + 3] = 80;
        packet[start + 12] = (byte)((20 + padded.Length) << 2);
        packet[start + 13] = flags;
        padded.CopyTo(packet, start + 20);
        uint sum = (uint)(6 + packet.Length - start);
        for (int i = isIPv6 ? 8 : 12; i < packet.Length; i += 2)
        {
            sum += (uint)SegmentModel.Word(packet, i);
        }

        sum = (sum & 0xFFFF) + (sum >> 16);
        SegmentModel.SetWord(packet, start + 16, (ushort)~(sum + (sum >> 16)));
        Assert.True(SegmentModel.TransportChecksumIsRight(packet, start));
        return packet;
    }

    private static void Apply(byte[] packet)
    {
        fixed (byte* bytes = packet)
        {
            MssClamp.Apply(bytes, packet.Length, 1420);
        }
    }

    private static void Unchanged(byte[] packet)
    {
        byte[] copy = [.. packet];
        Apply(packet);
        Assert.Equal(copy, packet);
    }
}
