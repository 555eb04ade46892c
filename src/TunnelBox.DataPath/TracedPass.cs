using System.Diagnostics;
using TunnelBox.Linux.Tracing;
using TunnelBox.Protocol;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.DataPath;

/// <summary>
/// A worker's pass while somebody traces packets: the same stages with a clock between them, and each packet told of to probes, events
/// and trace rings.
/// </summary>
/// <param name="trace">Who is told of probes and events.</param>
/// <param name="writer">The worker's number.</param>
/// <param name="taps">The worker's trace rings.</param>
/// <param name="depth">0, or 1 for packets that waited: those are sent in the middle of another burst.</param>
internal sealed unsafe class TracedPass(TunnelTrace trace, int writer, RingTaps taps, int depth)
{
    private readonly PacketRecords _records = new(writer, taps, depth);
    private readonly ulong[] _counters = new ulong[Burst.Capacity];
    private readonly uint[] _outer = new uint[Burst.Capacity];
    private readonly bool[] _passed = new bool[Burst.Capacity];

    /// <summary>Routes, seals and sends a burst.</summary>
    /// <param name="burst">Inner packets.</param>
    /// <param name="outbound">The stages.</param>
    /// <param name="port">The outer port.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <param name="staged">As <see cref="Outbound.Route"/> takes it; null for packets that are routed already.</param>
    public void Outward(Burst burst, Outbound outbound, IPort port, long now, Action<Peer>? staged)
    {
        TapSet? set = taps.Set;
        long began = Stopwatch.GetTimestamp();
        if (set is not null)
        {
            _records.KeepInner(burst, set);
        }

        if (staged is not null)
        {
            outbound.Route(burst, now, staged);
        }

        long routed = Stopwatch.GetTimestamp();
        outbound.Seal(burst, now);
        long seal = Stopwatch.GetTimestamp();
        NoteSealed(burst);
        if (set is not null)
        {
            _records.KeepSealed(burst, set);
        }

        port.Send(burst);
        var times = StageTimes.Of(began, routed, seal, Stopwatch.GetTimestamp());
        if (TunnelTrace.PacketOutOn)
        {
            for (int i = 0; i < burst.Count; i++)
            {
                if (_passed[i] && burst.Verdict[i] != Verdict.Dropped && burst.Keypair[i] is { } keypair)
                {
                    trace.Packet(outward: true, new PacketProbe(
                        TunnelTrace.IdOf(keypair.Peer), keypair.RemoteIndex, _counters[i], _outer[i] - DataMessage.Overhead, _outer[i],
                        (uint)writer, times.First, times.Second, times.Third));
                }
            }
        }

        if (set is not null)
        {
            _records.Write(burst, set, outward: true, times);
        }
    }

    /// <summary>Opens a burst and gives it to the inner port.</summary>
    /// <param name="burst">Datagrams.</param>
    /// <param name="inbound">The stages.</param>
    /// <param name="port">The inner port.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void Inward(Burst burst, Inbound inbound, IPort port, long now)
    {
        TapSet? set = taps.Set;
        for (int i = 0; i < burst.Count; i++)
        {
            // Opening and the inner port both write over the header.
            var datagram = new ReadOnlySpan<byte>((byte*)burst.Data[i], burst.Length[i]);
            _outer[i] = (uint)datagram.Length;
            _counters[i] = datagram.Length >= DataMessage.MinimumSize ? DataMessage.Counter(datagram) : 0;
        }

        if (set is not null)
        {
            _records.KeepReceived(burst, set);
        }

        long began = Stopwatch.GetTimestamp();
        inbound.Open(burst, now);
        long opened = Stopwatch.GetTimestamp();
        if (set is not null)
        {
            _records.KeepOpened(burst, set);
        }

        port.Send(burst);
        long sent = Stopwatch.GetTimestamp();
        var times = StageTimes.Of(began, opened, sent, sent);
        if (TunnelTrace.PacketInOn)
        {
            for (int i = 0; i < burst.Count; i++)
            {
                if (burst.Verdict[i] == Verdict.Done && burst.Keypair[i] is { } keypair)
                {
                    uint inner = _outer[i] == DataMessage.MinimumSize ? 0 : (uint)burst.Length[i];
                    trace.Packet(outward: false, new PacketProbe(
                        TunnelTrace.IdOf(keypair.Peer), keypair.LocalIndex, _counters[i], inner, _outer[i],
                        (uint)writer, times.First, times.Second, 0));
                }
            }
        }

        if (set is not null)
        {
            _records.Write(burst, set, outward: false, times);
        }
    }

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
