using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Control;

/// <summary>Writes traced packets as people read them, a line each: who, what, the stages with their times, where it was handled, how it ended.</summary>
public static class TraceText
{
    private static readonly string[] s_reasons = Enum.GetNames<DropReason>();

    /// <summary>Appends the line of a record.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="entry">The record.</param>
    /// <param name="session">Where it comes from.</param>
    public static void AppendLine(StringBuilder text, in RingEntry entry, TraceSession session)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(session);
        RingRecord head = entry.Head;
        AppendTime(text, entry.Time);
        text.Append(' ').Append(session.Interface).Append(head.Direction == PacketDirection.In ? " in " : " out ");
        text.Append("peer ").Append(session.Peers.GetValueOrDefault(head.Peer) is { } peer ? peer.Name ?? peer.PublicKey : "unknown");
        if (head.Packets != 1)
        {
            text.Append(CultureInfo.InvariantCulture, $" {head.Packets} packets");
        }

        int before = text.Append(' ').Length;
        AppendPacket(text, entry);
        if (text.Length == before)
        {
            text.Length--;
        }

        if (head.InnerLength > 0)
        {
            text.Append(' ').Append(head.InnerLength).Append(" bytes");
        }

        string separator = " | ";
        foreach (TraceStage stage in StagesOf(head))
        {
            text.Append(separator).Append(stage.Name).Append(' ').Append(stage.Nanoseconds / 1000).Append('.').Append(stage.Nanoseconds % 1000 / 100).Append(" µs");
            separator = " ";
        }

        text.Append(" | ");
        if (head.Worker != 0)
        {
            text.Append("queue ").Append(head.Queue).Append(' ');
        }

        text.Append("worker ").Append(head.Worker).Append(" hints ");
        if (head.HasHint != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"{head.Hint:x8} {(head.HasHint == 1 ? "device" : "program")}");
        }
        else
        {
            text.Append("none");
        }

        if (head.OuterLength > 0)
        {
            text.Append(" | ").Append(head.OuterLength).Append(head.Direction == PacketDirection.In ? " bytes from " : " bytes to ");
            AppendRemote(text, head);
            if (head.Receiver != 0)
            {
                text.Append(CultureInfo.InvariantCulture, $" index {head.Receiver:x8} counter {head.Counter}");
            }
        }

        text.Append(" | ").Append(VerdictOf(head));
        if (head.Reason != DropReason.None)
        {
            text.Append(' ').Append(NameOf(head.Reason));
        }

        text.Append('\n');
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

    internal static void AppendPacket(StringBuilder text, in RingEntry entry)
    {
        if (entry.Head.Kind == RecordKind.Handshake)
        {
            text.Append((entry.Outer.IsEmpty ? 0 : entry.Outer[0]) switch
            {
                1 => "handshake initiation",
                2 => "handshake response",
                3 => "cookie reply",
                _ => "handshake message",
            });
        }
        else if (!PacketText.Append(text, entry.Inner))
        {
            text.Append(entry.Head switch
            {
                { Kind: RecordKind.Waiting, InnerLength: 0 } => "handshake",
                { Kind: RecordKind.Waiting } => "waiting",
                { InnerLength: 0, Reason: DropReason.None } => "keepalive",
                { InnerLength: 0 } => "datagram",
                _ => "packet",
            });
        }
    }

    internal static void AppendRemote(StringBuilder text, in RingRecord head)
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
    internal static IReadOnlyList<TraceStage> StagesOf(in RingRecord head)
    {
        if (head.Kind != RecordKind.Data)
        {
            return [];
        }

        if (head.Direction == PacketDirection.Out)
        {
            var route = new TraceStage("route", head.First);
            return head.OuterLength == 0 ? [route] : [route, new TraceStage("seal", head.Second), new TraceStage("send", head.Third)];
        }

        List<TraceStage> stages = [new TraceStage("open", head.First)];
        if (head.Waited > 0)
        {
            stages.Insert(0, new TraceStage("ring", head.Waited));
        }

        if (head.InnerLength > 0 && head.Reason is DropReason.None or DropReason.InPortError or DropReason.InNoQueueSpace)
        {
            stages.Add(new TraceStage("deliver", head.Second));
        }

        return stages;
    }

    private static void AppendTime(StringBuilder text, long unix)
    {
        Span<char> time = stackalloc char[16];
        _ = DateTimeOffset.UnixEpoch.AddTicks(unix / 100).ToLocalTime().TryFormat(time, out int length, "HH:mm:ss.ffffff", CultureInfo.InvariantCulture);
        text.Append(time[..length]);
    }
}
