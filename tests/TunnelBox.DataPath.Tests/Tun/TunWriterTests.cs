using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Tun;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Tun;

public sealed unsafe class TunWriterTests
{
    private const int Stride = 9216;

    [Fact]
    public void Joining_agrees_with_the_slow_model_over_a_million_packets_and_keeps_every_flow_in_order()
    {
        var random = new Random(12);
        using var queue = new QueuePair();
        using var memory = new NativeRegion(Burst.Capacity * Stride);
        var burst = new Burst();
        long packets = 0;
        long writes = 0;
        for (int round = 0; packets < 1_000_000; round++)
        {
            bool tcp = random.Next(10) != 0;
            bool udp = random.Next(4) != 0;
            queue.Offloads.EnableWrites(tcp, udp);
            FlowMaker[] flows = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => new FlowMaker(random))];
            var originals = new List<byte[]>();
            burst.Clear();
            for (int i = random.Next(1, Burst.Capacity + 1); i > 0; i--)
            {
                byte[] packet = flows[random.Next(flows.Length)].Next();
                byte* place = memory.Address + (originals.Count * Stride) + 64;
                packet.CopyTo(new Span<byte>(place, packet.Length));
                Packets.Add(burst, place, packet.Length, null);
                originals.Add(packet);
            }

            queue.Port.Send(burst);
            packets += originals.Count;
            foreach ((List<int> members, bool verified) in JoinModel.Group(originals, tcp, udp))
            {
                writes++;
                Assert.True(queue.Take(out virtio_net_hdr header, out ReadOnlySpan<byte> written), $"round {round}: a group is missing");
                CheckGroup(originals, members, verified, header, written.ToArray(), round);
            }

            Assert.False(queue.Take(out _, out _), $"round {round}: a group too many");
            Assert.All(burst.Verdict.Take(originals.Count), verdict => Assert.Equal(Verdict.Done, verdict));
        }

        Assert.True(packets > 2 * writes, $"{packets} packets in {writes} writes");
    }

    [Fact]
    public void What_was_split_joins_to_the_same_super_packet_again()
    {
        var random = new Random(13);
        using var queue = new QueuePair();
        var burst = new Burst();
        int joined = 0;
        for (int round = 0; round < 50_000; round++)
        {
            (virtio_net_hdr header, byte[] packet) = PacketMaker.MakeSuper(random);
            bool udp = header.gso_type == Definitions.VIRTIO_NET_HDR_GSO_UDP_L4;
            int start = header.csum_start;
            int headers = start + (udp ? 8 : (packet[start + 12] >> 4) * 4);
            int count = (packet.Length - headers + header.gso_size - 1) / header.gso_size;
            if (start != (packet[0] >> 4 == 4 ? 20 : 40) || count < 2 || count > GsoSplitter.MessageLimit(headers + header.gso_size))
            {
                continue;
            }

            header.gso_type &= 0x7F;
            if (!udp)
            {
                packet[start + 13] = (byte)(0x10 | (random.Next(2) * 8));
                SegmentModel.SetPartialChecksum(packet, start, udp);
            }

            queue.Inject(header, packet);
            burst.Clear();
            Assert.Equal(count, queue.Port.Receive(burst));
            queue.Port.Send(burst);
            Assert.True(queue.Take(out virtio_net_hdr again, out ReadOnlySpan<byte> written));
            Assert.True(written.SequenceEqual(packet), $"round {round}");
            Assert.Equal((header.gso_type, header.gso_size, header.csum_start, header.csum_offset), (again.gso_type, again.gso_size, again.csum_start, again.csum_offset));
            Assert.Equal(headers, again.hdr_len);
            Assert.False(queue.Take(out _, out _));
            joined++;
        }

        Assert.True(joined > 10_000);
    }

    [Fact]
    public void A_refused_super_packet_goes_one_by_one_and_the_offload_stays_off_with_one_report()
    {
        var random = new Random(14);
        var reports = new List<string>();
        using var queue = new QueuePair(reports: reports, bounded: true);
        using var memory = new NativeRegion(Burst.Capacity * Stride);
        var burst = new Burst();
        for (int round = 0; round < 3; round++)
        {
            byte[] packet = PacketMaker.Make(random, v6: false, udp: false, 1023, 0, 0, out int start);
            packet[start + 13] = 0x10;
            burst.Clear();
            for (int i = 0; i < Burst.Capacity; i++)
            {
                SegmentModel.SetWord(packet, 6, 0x4000);
                SegmentModel.SetHeaderChecksum(packet);
                SegmentModel.SetTransportChecksum(packet, start, udp: false);
                byte* place = memory.Address + (i * Stride) + 64;
                packet.CopyTo(new Span<byte>(place, packet.Length));
                Packets.Add(burst, place, packet.Length, null);
                uint sequence = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(packet.AsSpan(start + 4)) + 1023;
                System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(start + 4), sequence);
            }

            queue.Port.Send(burst);
            for (int i = 0; i < Burst.Capacity; i++)
            {
                Assert.Equal(Verdict.Done, burst.Verdict[i]);
                Assert.True(queue.Take(out virtio_net_hdr header, out ReadOnlySpan<byte> written));
                Assert.Equal(0, header.gso_type);
                Assert.True(written.SequenceEqual(new ReadOnlySpan<byte>((void*)burst.Data[i], burst.Length[i])));
            }
        }

        Assert.Equal(1 + (3 * Burst.Capacity), queue.Port.Writes);
        string report = Assert.Single(reports);
        Assert.Contains("TCP", report, StringComparison.Ordinal);
        Assert.DoesNotContain("gro-tcp4", queue.Port.Description, StringComparison.Ordinal);
        Assert.Contains("gro-tcp6", queue.Port.Description, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_queue_drops_with_its_reason()
    {
        using var queue = new QueuePair();
        queue.LimitMessages(4608);
        using var memory = new NativeRegion(Burst.Capacity * Stride);
        var burst = new Burst();
        for (int i = 0; i < Burst.Capacity; i++)
        {
            Packets.Add(burst, memory.Address + (i * Stride) + 64, 1000, null);
        }

        queue.Port.Send(burst);
        Assert.Equal(Verdict.Done, burst.Verdict[0]);
        Assert.Equal(Verdict.Dropped, burst.Verdict[63]);
        Assert.Equal(DropReason.InNoQueueSpace, burst.Reason[63]);
    }

    private static void CheckGroup(
        List<byte[]> originals, List<int> members, bool verified, virtio_net_hdr header, byte[] written, int round)
    {
        if (members.Count == 1)
        {
            Assert.True(written.AsSpan().SequenceEqual(originals[members[0]]), $"round {round}: a single packet changed");
            Assert.Equal((verified ? 2 : 0, 0), (header.flags, header.gso_type));
            return;
        }

        List<byte[]>? segments = SegmentModel.Split(header, written);
        Assert.NotNull(segments);
        Assert.True(members.Count == segments.Count, $"round {round}: {members.Count} packets became {segments.Count}");
        for (int i = 0; i < segments.Count; i++)
        {
            byte[] original = originals[members[i]];
            if (original[0] >> 4 == 4 && (original[6] & 0x40) != 0)
            {
                // With DF the identification means nothing (RFC 6864), and segmenting counts it up.
                segments[i].AsSpan(4, 2).Clear();
                segments[i].AsSpan(10, 2).Clear();
                original.AsSpan(4, 2).Clear();
                original.AsSpan(10, 2).Clear();
            }

            Assert.True(segments[i].AsSpan().SequenceEqual(original), $"round {round}: packet {i} of a group changed");
        }
    }
}
