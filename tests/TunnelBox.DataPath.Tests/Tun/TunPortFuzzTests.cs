using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Tun;

public sealed unsafe class TunPortFuzzTests
{
    [Fact]
    public void Garbage_from_the_kernel_never_crashes_and_every_message_has_an_outcome()
    {
        var random = new Random(15);
        using var queue = new QueuePair();
        var burst = new Burst();
        byte[] noise = new byte[300];
        int dropped = 0;
        for (int round = 0; round < 300_000; round++)
        {
            if (random.Next(4) == 0)
            {
                random.NextBytes(noise);
                queue.Inject(noise.AsSpan(0, random.Next(1, noise.Length)));
            }
            else
            {
                (virtio_net_hdr header, byte[] packet) = PacketMaker.MakeSuper(random);
                PacketMaker.Damage(random, ref header, ref packet);
                queue.Inject(header, packet.AsSpan(0, Math.Min(packet.Length, random.Next(2000))));
            }

            int total = 0;
            do
            {
                burst.Clear();
                total += queue.Port.Receive(burst);
                for (int i = 0; i < burst.Count; i++)
                {
                    Assert.InRange(burst.Length[i], 0, 65535);
                    dropped += burst.Verdict[i] == Verdict.Dropped ? 1 : 0;
                    Assert.True(burst.Verdict[i] == Verdict.Continue || burst.Reason[i] == DropReason.OutOffloadInvalid);
                }
            }
            while (queue.Port.MoreWaiting);

            Assert.True(total > 0, $"round {round}: a message vanished");
        }

        Assert.True(dropped > 10_000);
    }

    [Fact]
    public void Plain_packets_keep_their_bytes_and_unfinished_checksums_are_finished()
    {
        var random = new Random(16);
        using var queue = new QueuePair();
        var burst = new Burst();
        for (int round = 0; round < 2000; round++)
        {
            var expected = new List<byte[]>();
            for (int i = 0; i < 5; i++)
            {
                bool udp = random.Next(2) == 0;
                byte[] packet = PacketMaker.Make(random, random.Next(2) == 0, udp, random.Next(1, i == 4 ? 40000 : 1400), 0, 0, out int start);
                var header = new virtio_net_hdr();
                if (random.Next(2) == 0)
                {
                    SegmentModel.SetPartialChecksum(packet, start, udp);
                    header.flags = Definitions.VIRTIO_NET_HDR_F_NEEDS_CSUM;
                    header.csum_start = (ushort)start;
                    header.csum_offset = (ushort)(udp ? 6 : 16);
                    queue.Inject(header, packet);
                    SegmentModel.SetTransportChecksum(packet, start, udp);
                }
                else
                {
                    queue.Inject(header, packet);
                }

                expected.Add(packet);
            }

            burst.Clear();
            Assert.Equal(5, queue.Port.Receive(burst));
            Assert.False(queue.Port.MoreWaiting);
            for (int i = 0; i < 5; i++)
            {
                Assert.True(new ReadOnlySpan<byte>((void*)burst.Data[i], burst.Length[i]).SequenceEqual(expected[i]), $"round {round} packet {i}");
                Assert.Equal(0, burst.Data[i] % 16);
            }
        }
    }

    [Fact]
    public void No_allocation_over_many_bursts()
    {
        var random = new Random(17);
        using var queue = new QueuePair();
        (virtio_net_hdr header, byte[] packet) = PacketMaker.MakeSuper(random);
        packet = PacketMaker.Make(random, v6: false, udp: false, 40 * 1000, 0, 12, out int start);
        packet[start + 13] = 0x10;
        SegmentModel.SetPartialChecksum(packet, start, udp: false);
        header.flags = 1;
        header.gso_type = 1;
        header.gso_size = 1000;
        header.csum_start = 20;
        header.csum_offset = 16;
        var burst = new Burst();
        long allocated = 0;
        long packets = 0;
        for (int round = 0; round < 25_500; round++)
        {
            if (round == 500)
            {
                allocated = 0;
                packets = 0;
            }

            queue.Inject(header, packet);
            long before = GC.GetAllocatedBytesForCurrentThread();
            burst.Clear();
            packets += queue.Port.Receive(burst);
            queue.Port.Send(burst);
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            queue.Take(out _, out _);
        }

        Assert.Equal(0, allocated);
        Assert.Equal(1_000_000, packets);
    }
}
