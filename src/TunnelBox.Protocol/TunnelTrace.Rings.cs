using System.Diagnostics;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Protocol;

/// <content>The trace rings of the control side: handshake messages, and what ended while it waited.</content>
public sealed partial class TunnelTrace
{
    /// <summary>Gets the rings of all threads that are no workers.</summary>
    public ControlRings ControlRings { get; } = new();

    /// <summary>Gets the clock of records.</summary>
    /// <returns>Nanoseconds of CLOCK_MONOTONIC.</returns>
    public static long Clock() => Stopwatch.GetTimestamp();

    /// <summary>Writes an outer path into a record.</summary>
    /// <param name="record">The record.</param>
    /// <param name="remote">The peer's address.</param>
    /// <param name="local">Our address.</param>
    /// <param name="localPort">Our port.</param>
    public static void SetPath(ref RingRecord record, in EndpointAddress remote, in SourceAddress local, ushort localPort)
    {
        record.OuterFamily = (byte)(remote.IsIPv6 ? 6 : 4);
        record.RemoteHigh = (ulong)(remote.Address >> 64);
        record.RemoteLow = (ulong)remote.Address;
        record.RemotePort = remote.Port;
        record.LocalHigh = (ulong)(local.Address >> 64);
        record.LocalLow = (ulong)local.Address;
        record.LocalPort = localPort;
    }

    /// <summary>A handshake message or cookie reply came or went.</summary>
    /// <param name="outward">Whether it went.</param>
    /// <param name="peer">Whose it is, or null for unknown.</param>
    /// <param name="message">Its bytes.</param>
    /// <param name="remote">The other end.</param>
    /// <param name="local">Our end.</param>
    /// <param name="reason">Why it was refused, or <see cref="DropReason.None"/>.</param>
    /// <param name="time">When, by <see cref="Clock"/>; now where left out.</param>
    public void Message(
        bool outward, Peer? peer, ReadOnlySpan<byte> message, in EndpointAddress remote, in SourceAddress local, DropReason reason, long time = 0)
    {
        if (!ControlRings.Any)
        {
            return;
        }

        var record = new RingRecord
        {
            Kind = RecordKind.Handshake,
            Direction = outward ? PacketDirection.Out : PacketDirection.In,
            Time = time == 0 ? Clock() : time,
            Peer = IdOf(peer),
            OuterLength = (uint)message.Length,
            Reason = reason,
            Packets = 1,
        };
        SetPath(ref record, remote, local, ControlRings.LocalPort);
        ControlRings.Write(record, message);
    }

    /// <summary>Packets or handshakes ended while they waited.</summary>
    /// <param name="peer">Whose.</param>
    /// <param name="reason">Why.</param>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes.</param>
    internal void Waiting(Peer peer, DropReason reason, int packets, long bytes)
    {
        if (!ControlRings.Any)
        {
            return;
        }

        var record = new RingRecord
        {
            Kind = RecordKind.Waiting,
            Direction = DropReasons.Describe(reason).Direction,
            Time = Clock(),
            Peer = IdOf(peer),
            InnerLength = (uint)Math.Min(bytes, uint.MaxValue),
            Reason = reason,
            Packets = (uint)packets,
        };
        ControlRings.Write(record, default);
    }
}
