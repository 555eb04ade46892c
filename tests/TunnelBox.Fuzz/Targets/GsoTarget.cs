using TunnelBox.DataPath;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Tun;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// What a TUN device hands over: virtio headers and super-packets, whole and damaged. Splitting agrees with the slow model on every input, within its
/// memory; and of any message something comes out of the port, a packet or a drop.
/// </summary>
internal sealed unsafe class GsoTarget : FuzzTarget
{
    private const int Slots = 66 * 65792;
    private readonly GsoSplitter _splitter = new();
    private readonly GuardedMemory _source = new(70_000);
    private readonly GuardedMemory _slots = new(Slots);
    private readonly QueuePair _queue = new();
    private readonly Burst _burst = new();

    /// <inheritdoc/>
    public override string Name => "gso";

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        var draw = new Draw(input);
        (virtio_net_hdr header, byte[] packet) = PacketMaker.MakeSuper(draw);
        if (draw.Next(4) != 0)
        {
            packet = packet.Length > 400 && draw.Next(8) != 0 ? packet[..400] : packet;
            PacketMaker.Damage(draw, ref header, ref packet);
        }

        Receive(draw, header, packet);

        // 64 readable bytes behind the packet are the contract; the 65th is not mapped.
        byte* place = _source.End - 64 - packet.Length;
        packet.CopyTo(new Span<byte>(place, packet.Length));
        List<byte[]>? expected = SegmentModel.Split(header, packet);
        bool accepted = _splitter.Begin(&header, place, packet.Length);
        FuzzFind.Unless(accepted == expected is not null, $"It is split where header and packet agree: {accepted}");
        if (expected is null)
        {
            FuzzFind.Unless(!_splitter.Active, "What is refused is not begun.");
            return 0;
        }

        int at = 0;
        while (_splitter.Active)
        {
            _burst.Clear();
            byte* cursor = _slots.End - Slots;
            byte* before = cursor;
            _splitter.Fill(_burst, ref cursor, _slots.End);
            FuzzFind.Unless(_burst.Count > 0, "Splitting goes on.");
            for (int i = 0; i < _burst.Count; i++)
            {
                FuzzFind.Unless(new ReadOnlySpan<byte>((void*)_burst.Data[i], _burst.Length[i]).SequenceEqual(expected[at++]), $"Segment {at - 1} is the model's.");
                FuzzFind.Unless((byte*)_burst.Data[i] - Burst.Headroom >= before, "Segments do not lie in each other.");
                before = (byte*)_burst.Data[i] + _burst.Length[i] + Burst.Tailroom;
            }

            FuzzFind.Unless(before <= _slots.End, "Segments lie in their memory.");
        }

        FuzzFind.Unless(at == expected.Count, "Every segment comes.");
        return 1 + Math.Min(expected.Count, 66) + (header.gso_type << 8);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _queue.Dispose();
        _source.Dispose();
        _slots.Dispose();
        base.Dispose();
    }

    private void Receive(Draw draw, virtio_net_hdr header, byte[] packet)
    {
        if (draw.Next(8) == 0)
        {
            byte[] noise = new byte[draw.Next(1, 64)];
            draw.NextBytes(noise);
            _queue.Inject(noise);
        }
        else
        {
            header.gso_type = draw.Next(4) == 0 ? (byte)0 : header.gso_type;
            _queue.Inject(header, packet);
        }

        int total = 0;
        do
        {
            _burst.Clear();
            total += _queue.Port.Receive(_burst);
            for (int i = 0; i < _burst.Count; i++)
            {
                FuzzFind.Unless(_burst.Length[i] is >= 0 and <= 65535, "A packet has a length.");
                FuzzFind.Unless(_burst.Verdict[i] == Verdict.Continue || _burst.Reason[i] == DropReason.OutOffloadInvalid, "A drop has its reason.");
            }
        }
        while (_queue.Port.MoreWaiting);
        FuzzFind.Unless(total > 0, "No message vanishes.");
    }
}
