using TunnelBox.DataPath;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// Bursts of packets on their way into a TUN device. Which of them are joined is what the slow model says; split again by the slow model, they are the
/// packets that came, and each flow keeps its order.
/// </summary>
internal sealed unsafe class GroTarget : FuzzTarget
{
    private const int Stride = 9216;
    private readonly QueuePair _queue = new();
    private readonly NativeRegion _memory = new(Burst.Capacity * Stride);
    private readonly Burst _burst = new();

    /// <inheritdoc/>
    public override string Name => "gro";

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        var draw = new Draw(input);
        bool tcp = draw.Next(10) != 0;
        bool udp = draw.Next(4) != 0;
        _queue.Offloads.EnableWrites(tcp, udp);
        FlowMaker[] flows = [.. Enumerable.Range(0, draw.Next(1, 5)).Select(_ => new FlowMaker(draw))];
        List<byte[]> originals = [];
        _burst.Clear();
        for (int i = draw.Next(1, draw.Next(4) == 0 ? Burst.Capacity + 1 : 8); i > 0; i--)
        {
            byte[] packet = flows[draw.Next(flows.Length)].Next();
            if (draw.Next(32) == 0 && packet.Length > 0)
            {
                packet[draw.Next(Math.Min(packet.Length, 60))] ^= (byte)(1 << draw.Next(8));
            }

            byte* place = _memory.Address + (originals.Count * Stride) + 64;
            packet.CopyTo(new Span<byte>(place, packet.Length));
            Packets.Add(_burst, place, packet.Length, null);
            originals.Add(packet);
        }

        _queue.Port.Send(_burst);
        int joined = 0;
        foreach ((List<int> members, bool verified) in JoinModel.Group(originals, tcp, udp))
        {
            FuzzFind.Unless(_queue.Take(out virtio_net_hdr header, out ReadOnlySpan<byte> written), "Each group of the model is written.");
            Check(originals, members, verified, header, written.ToArray());
            joined = Math.Max(joined, members.Count);
        }

        FuzzFind.Unless(!_queue.Take(out _, out _), "Nothing more than the model's groups is written.");
        for (int i = 0; i < originals.Count; i++)
        {
            FuzzFind.Unless(_burst.Verdict[i] == Verdict.Done, "Every packet is done.");
        }

        return (joined << 2) | (tcp ? 1 : 0) | (udp ? 2 : 0);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _queue.Dispose();
        _memory.Dispose();
        base.Dispose();
    }

    private static void Check(List<byte[]> originals, List<int> members, bool verified, virtio_net_hdr header, byte[] written)
    {
        if (members.Count == 1)
        {
            FuzzFind.Unless(written.AsSpan().SequenceEqual(originals[members[0]]), "A packet alone does not change.");
            FuzzFind.Unless(header.flags == (verified ? 2 : 0) && header.gso_type == 0, "A packet alone is said to be whole, and right where it is.");
            return;
        }

        List<byte[]>? segments = SegmentModel.Split(header, written);
        FuzzFind.Unless(segments?.Count == members.Count, $"{members.Count} joined packets are as many when they are split again.");
        for (int i = 0; i < segments!.Count; i++)
        {
            byte[] original = [.. originals[members[i]]];
            if (original[0] >> 4 == 4 && (original[6] & 0x40) != 0)
            {
                // With DF the identification means nothing (RFC 6864), and segmenting counts it up.
                segments[i].AsSpan(4, 2).Clear();
                segments[i].AsSpan(10, 2).Clear();
                original.AsSpan(4, 2).Clear();
                original.AsSpan(10, 2).Clear();
            }

            FuzzFind.Unless(segments[i].AsSpan().SequenceEqual(original), $"Packet {i} of a group comes out as it went in.");
        }
    }
}
