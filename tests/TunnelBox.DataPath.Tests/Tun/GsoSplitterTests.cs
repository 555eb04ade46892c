using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Tun;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Tun;

public sealed unsafe class GsoSplitterTests
{
    [Fact]
    public void Valid_and_damaged_super_packets_agree_with_the_slow_model_a_million_times()
    {
        var random = new Random(11);
        var splitter = new GsoSplitter();
        using var source = new GuardedMemory(70000);
        using var slots = new GuardedMemory(66 * 65792);
        var burst = new Burst();
        int split = 0;
        int refused = 0;
        for (int round = 0; round < 1_000_000; round++)
        {
            (virtio_net_hdr header, byte[] packet) = PacketMaker.MakeSuper(random);
            bool damaged = round % 8 != 0;
            if (damaged)
            {
                if (packet.Length > 400)
                {
                    packet = packet[..400];
                }

                PacketMaker.Damage(random, ref header, ref packet);
            }

            // 64 readable bytes behind the packet are the contract; the 65th is not mapped.
            byte* place = source.End - 64 - packet.Length;
            packet.CopyTo(new Span<byte>(place, packet.Length));
            List<byte[]>? expected = SegmentModel.Split(header, packet);
            bool accepted = splitter.Begin(&header, place, packet.Length);
            Assert.True(accepted == expected is not null, $"round {round}");
            if (expected is null)
            {
                refused++;
                Assert.False(splitter.Active);
                continue;
            }

            split++;
            Check(splitter, burst, slots, expected, round);
            if (!damaged)
            {
                Assert.True(SegmentModel.TransportChecksumIsRight(expected[^1], header.csum_start) || packet[6] == 43 || header.csum_start > 40);
            }
        }

        Assert.True(split > 150_000 && refused > 150_000, $"{split} split, {refused} refused");
    }

    [Theory]
    [InlineData(1420, 44)]
    [InlineData(9000, 64)]
    [InlineData(100, 64)]
    [InlineData(1280, 49)]
    public void A_burst_holds_what_one_udp_message_takes(int segment, int packets) =>
        Assert.Equal(packets, GsoSplitter.MessageLimit(segment));

    private static void Check(GsoSplitter splitter, Burst burst, GuardedMemory slots, List<byte[]> expected, int round)
    {
        int at = 0;
        while (splitter.Active)
        {
            burst.Clear();
            byte* cursor = slots.End - (66 * 65792);
            splitter.Fill(burst, ref cursor, slots.End);
            Assert.True(burst.Count > 0, "no progress");
            byte* before = slots.End - (66 * 65792);
            for (int i = 0; i < burst.Count; i++)
            {
                var segment = new ReadOnlySpan<byte>((void*)burst.Data[i], burst.Length[i]);
                Assert.True(segment.SequenceEqual(expected[at++]), $"round {round}, segment {at - 1}");
                Assert.True((byte*)burst.Data[i] - Burst.Headroom >= before && burst.Data[i] % 16 == 0);
                before = (byte*)burst.Data[i] + burst.Length[i] + Burst.Tailroom;
            }

            Assert.True(before <= slots.End);
        }

        Assert.Equal(expected.Count, at);
    }
}
