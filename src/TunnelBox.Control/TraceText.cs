using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Control;

/// <summary>Writes traced packets as people read them, a line each: who, what, the stages with their times, where it was handled, how it ended.</summary>
/// <param name="session">Where they come from.</param>
public sealed class TraceText(TraceSession session)
{
    private static readonly string[] s_reasons = Enum.GetNames<DropReason>();

    private readonly byte[] _interface = Encoding.UTF8.GetBytes($" {session.Interface} ");
    private readonly Dictionary<ulong, byte[]> _peers = session.Peers.ToDictionary(peer => peer.Key, peer => Encoding.UTF8.GetBytes(peer.Value.Name ?? peer.Value.PublicKey));

    // The second of the line before, and how it is written: the time zone is asked once a second.
    private readonly byte[] _clock = new byte[16];
    private long _second = long.MinValue;
    private int _clockLength;

    /// <summary>Appends the line of a record.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="entry">The record.</param>
    public void AppendLine(LineText text, in RingEntry entry)
    {
        ArgumentNullException.ThrowIfNull(text);
        ref readonly RingRecord head = ref entry.Record;
        AppendTime(text, entry.Time);
        text.Append(_interface).Append(head.Direction == PacketDirection.In ? "in peer "u8 : "out peer "u8).Append(_peers.TryGetValue(head.Peer, out byte[]? peer) ? peer : "unknown"u8);
        if (head.Packets != 1)
        {
            text.Append(" "u8).Append(head.Packets).Append(" packets"u8);
        }

        int before = text.Append(" "u8).Length;
        AppendPacket(text, entry);
        if (text.Length == before)
        {
            text.Cut(before - 1);
        }

        if (head.InnerLength > 0)
        {
            text.Append(" "u8).Append(head.InnerLength).Append(" bytes"u8);
        }

        int stages = StagesOf(head, out TraceStages taken);
        for (int i = 0; i < stages; i++)
        {
            text.Append(i == 0 ? " | "u8 : " "u8).Append(taken[i].Name).Append(" "u8).Append(taken[i].Nanoseconds / 1000).Append("."u8).Append(taken[i].Nanoseconds % 1000 / 100)
                .Append(" µs"u8);
        }

        text.Append(" | "u8);
        if (head.Worker != 0)
        {
            text.Append("queue "u8).Append(head.Queue).Append(" "u8);
        }

        text.Append("worker "u8).Append(head.Worker).Append(" hints "u8);
        if (head.HasHint != 0)
        {
            text.AppendHex(head.Hint).Append(head.HasHint == 1 ? " device"u8 : " program"u8);
        }
        else
        {
            text.Append("none"u8);
        }

        if (head.OuterLength > 0)
        {
            text.Append(" | "u8).Append(head.OuterLength).Append(head.Direction == PacketDirection.In ? " bytes from "u8 : " bytes to "u8);
            AppendRemote(text, head);
            if (head.Receiver != 0)
            {
                text.Append(" index "u8).AppendHex(head.Receiver).Append(" counter "u8).Append(head.Counter);
            }
        }

        text.Append(" | "u8).Append(VerdictOf(head));
        if (head.Reason != DropReason.None)
        {
            text.Append(" "u8).Append(NameOf(head.Reason));
        }

        text.Append("\n"u8);
    }

    /// <summary>Gives the name of a reason, whatever number a record holds.</summary>
    /// <param name="reason">The reason.</param>
    /// <returns>Its name.</returns>
    public static string NameOf(DropReason reason) => (int)reason < s_reasons.Length ? s_reasons[(int)reason] : "Unknown";

    internal static string VerdictOf(in RingRecord head) => head.Verdict switch
    {
        RecordVerdict.Delivered => "delivered",
        RecordVerdict.Queued => "queued",
        _ => "dropped",
    };

    internal static void AppendPacket(LineText text, in RingEntry entry)
    {
        if (entry.Record.Kind == RecordKind.Handshake)
        {
            text.Append((entry.Outer.IsEmpty ? 0 : entry.Outer[0]) switch
            {
                1 => "handshake initiation"u8,
                2 => "handshake response"u8,
                3 => "cookie reply"u8,
                _ => "handshake message"u8,
            });
        }
        else if (!PacketText.Append(text, entry.Inner))
        {
            text.Append(entry.Record switch
            {
                { Kind: RecordKind.Waiting, InnerLength: 0 } => "handshake"u8,
                { Kind: RecordKind.Waiting } => "waiting"u8,
                { InnerLength: 0, Reason: DropReason.None } => "keepalive"u8,
                { InnerLength: 0 } => "datagram"u8,
                _ => "packet"u8,
            });
        }
    }

    internal static void AppendRemote(LineText text, in RingRecord head)
    {
        Span<byte> address = stackalloc byte[16];
        switch (head.OuterFamily)
        {
            case 4:
                BinaryPrimitives.WriteUInt32BigEndian(address, (uint)head.RemoteLow);
                PacketText.Append(text, address[..4], head.RemotePort);
                break;
            case 6:
                BinaryPrimitives.WriteUInt64BigEndian(address, head.RemoteHigh);
                BinaryPrimitives.WriteUInt64BigEndian(address[8..], head.RemoteLow);
                PacketText.Append(text, address, head.RemotePort);
                break;
        }
    }

    // A packet took a stage where something of it came out of the stage before.
    internal static int StagesOf(in RingRecord head, out TraceStages stages)
    {
        stages = default;
        int count = 0;
        if (head.Kind != RecordKind.Data)
        {
            return 0;
        }

        if (head.Direction == PacketDirection.Out)
        {
            stages[count++] = new TraceStage("route", head.First);
            if (head.OuterLength > 0)
            {
                stages[count++] = new TraceStage("seal", head.Second);
                stages[count++] = new TraceStage("send", head.Third);
            }

            return count;
        }

        if (head.Waited > 0)
        {
            stages[count++] = new TraceStage("ring", head.Waited);
        }

        stages[count++] = new TraceStage("open", head.First);
        if (head.InnerLength > 0 && head.Reason is DropReason.None or DropReason.InPortError or DropReason.InNoQueueSpace)
        {
            stages[count++] = new TraceStage("deliver", head.Second);
        }

        return count;
    }

    private void AppendTime(LineText text, long unix)
    {
        (long second, long rest) = Math.DivRem(unix, 1_000_000_000);
        if (second != _second)
        {
            _ = DateTimeOffset.UnixEpoch.AddSeconds(second).ToLocalTime().TryFormat(_clock, out _clockLength, "HH:mm:ss.", CultureInfo.InvariantCulture);
            _second = second;
        }

        Span<byte> micros = stackalloc byte[6];
        long left = rest / 1000;
        for (int i = 5; i >= 0; i--)
        {
            (left, long digit) = Math.DivRem(left, 10);
            micros[i] = (byte)('0' + digit);
        }

        text.Append(_clock.AsSpan(0, _clockLength)).Append(micros);
    }

    /// <summary>The stages of one packet, at most three.</summary>
    [InlineArray(3)]
    internal struct TraceStages
    {
        private TraceStage _first;
    }
}
