using System.Globalization;
using System.Text.Json.Serialization;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Control;

/// <summary>One traced packet as <c>trace --json</c> prints it: an object a line.</summary>
public sealed record TraceLine
{
    /// <summary>Gets the version of this form.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets when its burst began.</summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>Gets the interface's name.</summary>
    public string? Interface { get; init; }

    /// <summary>Gets <c>in</c> or <c>out</c>.</summary>
    public string? Direction { get; init; }

    /// <summary>Gets <c>data</c>, <c>handshake</c> or <c>waiting</c>.</summary>
    public string? Kind { get; init; }

    /// <summary>Gets the peer's public key, or null for unknown.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets the peer's name, where it has one.</summary>
    public string? PeerName { get; init; }

    /// <summary>Gets what the inner packet is, in words, or the type of a handshake message.</summary>
    public string? Packet { get; init; }

    /// <summary>Gets the bytes of the inner packet.</summary>
    public uint? InnerLength { get; init; }

    /// <summary>Gets the bytes of the UDP payload.</summary>
    public uint? OuterLength { get; init; }

    /// <summary>Gets the peer's outer address and port.</summary>
    public string? Remote { get; init; }

    /// <summary>Gets the receiver index on the wire, in hexadecimal.</summary>
    public string? Receiver { get; init; }

    /// <summary>Gets the counter on the wire.</summary>
    public ulong? Counter { get; init; }

    /// <summary>Gets the stages that it took, with the time of its burst in each.</summary>
    public IReadOnlyList<TraceStage>? Stages { get; init; }

    /// <summary>Gets the queue of its port.</summary>
    public int? Queue { get; init; }

    /// <summary>Gets the number of the thread that handled it.</summary>
    public int? Worker { get; init; }

    /// <summary>Gets the flow hash of a frame that came over AF_XDP, in hexadecimal, or null for none.</summary>
    public string? Hint { get; init; }

    /// <summary>Gets who found the hash: <c>device</c> or <c>program</c>; null where there is none.</summary>
    public string? HintSource { get; init; }

    /// <summary>Gets the congestion mark of the outer header.</summary>
    public int? Ecn { get; init; }

    /// <summary>Gets how many packets this is, where it is not one.</summary>
    public uint? Packets { get; init; }

    /// <summary>Gets <c>delivered</c>, <c>queued</c> or <c>dropped</c>.</summary>
    public string? Verdict { get; init; }

    /// <summary>Gets why it was dropped.</summary>
    public string? Reason { get; init; }

    /// <summary>Gets how many records were lost since the line before; such a line says nothing else.</summary>
    public long? Lost { get; init; }

    /// <summary>Makes the line of a record.</summary>
    /// <param name="entry">The record.</param>
    /// <param name="session">Where it comes from.</param>
    /// <returns>The line.</returns>
    public static TraceLine Of(in RingEntry entry, TraceSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        ref readonly RingRecord head = ref entry.Record;
        TracePeer? peer = session.Peers.GetValueOrDefault(head.Peer);
        var words = new LineText();
        TraceText.AppendPacket(words, entry);
        var remote = new LineText();
        TraceText.AppendRemote(remote, head);
        int stages = TraceText.StagesOf(head, out TraceText.TraceStages taken);
        return new TraceLine
        {
            Time = DateTimeOffset.UnixEpoch.AddTicks(entry.Time / 100),
            Interface = session.Interface,
            Direction = head.Direction == PacketDirection.In ? "in" : "out",
            Kind = head.Kind switch { RecordKind.Data => "data", RecordKind.Handshake => "handshake", _ => "waiting" },
            Peer = peer?.PublicKey,
            PeerName = peer?.Name,
            Packet = words.Length > 0 ? words.ToString() : null,
            InnerLength = head.InnerLength > 0 ? head.InnerLength : null,
            OuterLength = head.OuterLength > 0 ? head.OuterLength : null,
            Remote = remote.Length > 0 ? remote.ToString() : null,
            Receiver = head.Receiver != 0 ? head.Receiver.ToString("x8", CultureInfo.InvariantCulture) : null,
            Counter = head.Receiver != 0 ? head.Counter : null,
            Stages = stages > 0 ? [.. taken[..stages]] : null,
            Queue = head.Worker != 0 ? head.Queue : null,
            Worker = head.Worker,
            Hint = head.HasHint != 0 ? head.Hint.ToString("x8", CultureInfo.InvariantCulture) : null,
            HintSource = head.HasHint switch { 0 => null, 1 => "device", _ => "program" },
            Ecn = head.Kind == RecordKind.Data ? head.Ecn : null,
            Packets = head.Packets != 1 ? head.Packets : null,
            Verdict = TraceText.VerdictOf(head),
            Reason = head.Reason == DropReason.None ? null : TraceText.NameOf(head.Reason),
        };
    }
}

/// <summary>A stage that a packet took.</summary>
/// <param name="Name">Its name: route, seal and send outward, ring (from the XDP program to the worker), open and deliver inward.</param>
/// <param name="Nanoseconds">How long its burst was in it.</param>
public readonly record struct TraceStage(string Name, uint Nanoseconds);

/// <summary>How lines of <c>trace</c> are written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TraceLine))]
public sealed partial class TraceLineJson : JsonSerializerContext;
