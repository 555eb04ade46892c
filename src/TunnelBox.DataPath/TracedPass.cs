using System.Diagnostics;
using TunnelBox.Linux.Tracing;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath;

/// <summary>A worker's pass while somebody traces packets: the same stages with a clock between them, and each packet told of.</summary>
/// <param name="trace">Who is told.</param>
/// <param name="writer">The worker's number.</param>
internal sealed unsafe class TracedPass(TunnelTrace trace, int writer)
{
    private readonly ulong[] _counters = new ulong[Burst.Capacity];
    private readonly uint[] _outer = new uint[Burst.Capacity];
    private readonly bool[] _passed = new bool[Burst.Capacity];

    /// <summary>Routes, seals and sends a burst.</summary>
    /// <param name="burst">Inner packets.</param>
    /// <param name="outbound">The stages.</param>
    /// <param name="port">The outer port.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <param name="staged">As <see cref="Outbound.Route"/> takes it.</param>
    public void Outward(Burst burst, Outbound outbound, IPort port, long now, Action<Peer> staged)
    {
        long began = Stopwatch.GetTimestamp();
        outbound.Route(burst, now, staged);
        long routed = Stopwatch.GetTimestamp();
        outbound.Seal(burst, now);
        long seal = Stopwatch.GetTimestamp();
        NoteSealed(burst);
        port.Send(burst);
        long sent = Stopwatch.GetTimestamp();
        for (int i = 0; i < burst.Count; i++)
        {
            if (_passed[i] && burst.Verdict[i] != Verdict.Dropped && burst.Keypair[i] is { } keypair)
            {
                trace.Packet(outward: true, new PacketProbe(
                    TunnelTrace.IdOf(keypair.Peer), keypair.RemoteIndex, _counters[i], _outer[i] - DataMessage.Overhead, _outer[i],
                    (uint)writer, Nanoseconds(began, routed), Nanoseconds(routed, seal), Nanoseconds(seal, sent)));
            }
        }
    }

    /// <summary>Opens a burst and gives it to the inner port.</summary>
    /// <param name="burst">Datagrams.</param>
    /// <param name="inbound">The stages.</param>
    /// <param name="port">The inner port.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void Inward(Burst burst, Inbound inbound, IPort port, long now)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            // Opening and the inner port both write over the header.
            var datagram = new ReadOnlySpan<byte>((byte*)burst.Data[i], burst.Length[i]);
            _outer[i] = (uint)datagram.Length;
            _counters[i] = datagram.Length >= DataMessage.MinimumSize ? DataMessage.Counter(datagram) : 0;
        }

        long began = Stopwatch.GetTimestamp();
        inbound.Open(burst, now);
        long opened = Stopwatch.GetTimestamp();
        port.Send(burst);
        long sent = Stopwatch.GetTimestamp();
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Done && burst.Keypair[i] is { } keypair)
            {
                uint inner = _outer[i] == DataMessage.MinimumSize ? 0 : (uint)burst.Length[i];
                trace.Packet(outward: false, new PacketProbe(
                    TunnelTrace.IdOf(keypair.Peer), keypair.LocalIndex, _counters[i], inner, _outer[i],
                    (uint)writer, Nanoseconds(began, opened), Nanoseconds(opened, sent), 0));
            }
        }
    }

    private static ulong Nanoseconds(long from, long to) => (ulong)(Stopwatch.GetElapsedTime(from, to).Ticks * 100);

    private void NoteSealed(Burst burst)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            _passed[i] = burst.Verdict[i] == Verdict.Continue;
            if (_passed[i])
            {
                var message = new ReadOnlySpan<byte>((byte*)burst.Data[i], burst.Length[i]);
                _outer[i] = (uint)message.Length;
                _counters[i] = DataMessage.Counter(message);
            }
        }
    }
}
