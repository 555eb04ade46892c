using System.Buffers.Binary;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed unsafe class LanPacketTests
{
    [Fact]
    public void A_hop_is_taken_and_the_header_stays_right()
    {
        for (int id = 0; id < 65536; id += 7)
        {
            byte[] packet = InnerPackets.IPv4("10.1.2.3", "10.4.5.6");
            packet[8] = (byte)(2 + (id % 254));
            SegmentModel.SetWord(packet, 4, id);
            SegmentModel.SetWord(packet, 10, 0);
            SegmentModel.SetWord(packet, 10, InnerPackets.HeaderChecksum(packet));
            byte hops = packet[8];
            fixed (byte* bytes = packet)
            {
                LanPacket.TakeHop(bytes);
                Assert.Equal(hops - 1, LanPacket.Hops(bytes));
            }

            Assert.Equal(0xFFFF, ChecksumTests.Slow(packet.AsSpan(0, 20)));
        }

        byte[] six = InnerPackets.IPv6("fd01::1", "fd02::1");
        fixed (byte* bytes = six)
        {
            LanPacket.TakeHop(bytes);
            Assert.Equal(63, LanPacket.Hops(bytes));
        }
    }

    [Fact]
    public void A_frame_is_measured_by_its_own_headers_only()
    {
        byte[] four = Frame(InnerPackets.IPv4("10.1.2.3", "10.4.5.6", 60), 0x0800);
        byte[] six = Frame(InnerPackets.IPv6("fd01::1", "fd02::1", 90), 0x86DD);
        Assert.Equal(60, Measure([.. four, .. new byte[10]]));
        Assert.Equal(90, Measure([.. six, .. new byte[10]]));
        Assert.Equal(0, Measure(four[..^1]));
        Assert.Equal(0, Measure(six[..^1]));
        Assert.Equal(0, Measure([]));
        foreach ((byte[] frame, int offset) in new[] { (four, 12), (four, 14), (four, 25), (six, 12), (six, 14) })
        {
            byte[] bad = [.. frame];
            bad[offset] ^= 0x30;
            Assert.Equal(0, Measure(bad));
        }
    }

    [Fact]
    public void Only_a_checksum_that_was_left_unfinished_is_finished()
    {
        var random = new Random(3);
        for (int round = 0; round < 2000; round++)
        {
            bool isIPv6 = round % 2 == 0;
            byte[] packet = PacketMaker.Make(random, isIPv6, udp: round % 3 == 0, random.Next(0, 200), 0, 0, out int start);
            SegmentModel.SetWord(packet, isIPv6 ? 4 : 2, isIPv6 ? packet.Length - 40 : packet.Length);
            if (!isIPv6)
            {
                SegmentModel.SetWord(packet, 6, 0);
            }

            int at = start + (packet[isIPv6 ? 6 : 9] == 17 ? 6 : 16);
            SegmentModel.SetWord(packet, at, PseudoSum(packet, start, isIPv6));
            byte[] damaged = [.. packet];
            SegmentModel.SetWord(damaged, at, SegmentModel.Word(damaged, at) ^ 0x5555);
            byte[] copy = [.. damaged];
            Finish(packet);
            Finish(damaged);
            Assert.True(SegmentModel.TransportChecksumIsRight(packet, start));
            Assert.Equal(copy, damaged);
            byte[] whole = [.. packet];
            Finish(packet);
            Assert.Equal(whole, packet);
        }
    }

    [Fact]
    public void An_ethernet_header_is_written_and_its_sender_read()
    {
        byte* frame = stackalloc byte[14];
        LanPacket.WriteEthernet(frame, 0x0200_0000_0001, 0x0A0B_0C0D_0E0F, isIPv6: true);
        Assert.Equal("0200000000010A0B0C0D0E0F86DD", Convert.ToHexString(new ReadOnlySpan<byte>(frame, 14)));
        Assert.Equal(0x0A0B_0C0D_0E0Ful, LanPacket.Sender(frame));
    }

    private static byte[] Frame(byte[] packet, ushort type)
    {
        byte[] frame = new byte[14 + packet.Length];
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), type);
        packet.CopyTo(frame, 14);
        return frame;
    }

    private static int Measure(byte[] frame)
    {
        using var memory = new GuardedMemory(frame.Length);
        frame.CopyTo(new Span<byte>(memory.End - frame.Length, frame.Length));
        return LanPacket.Measure(memory.End - frame.Length, frame.Length);
    }

    private static void Finish(byte[] packet)
    {
        fixed (byte* bytes = packet)
        {
            LanPacket.FinishChecksum(bytes, packet.Length);
        }
    }

    private static int PseudoSum(byte[] packet, int start, bool isIPv6)
    {
        uint sum = (uint)(packet[isIPv6 ? 6 : 9] + packet.Length - start);
        for (int i = isIPv6 ? 8 : 12; i < start; i += 2)
        {
            sum += (uint)SegmentModel.Word(packet, i);
        }

        sum = (sum & 0xFFFF) + (sum >> 16);
        return (int)((sum & 0xFFFF) + (sum >> 16));
    }
}
