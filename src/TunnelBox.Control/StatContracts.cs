using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>The request <c>stat</c>: what was counted, of all or of one peer.</summary>
public sealed record StatRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "stat";

    /// <summary>Gets the public key of the peer to ask about, or null for the whole tunnel.</summary>
    public string? Peer { get; init; }
}

/// <summary>The answer to <c>stat</c>. All counts begin with the daemon and only grow.</summary>
public sealed record StatAnswer
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the interface's present name.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets when the counts were read.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Gets the public key of the peer whose counts these are, or null for the whole tunnel.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets the peer's name, where it has one.</summary>
    public string? PeerName { get; init; }

    /// <summary>Gets packets that came in: delivered ones of a tunnel, authenticated ones of a peer.</summary>
    public long InPackets { get; init; }

    /// <summary>Gets their bytes: inner ones of a tunnel, outer payload of a peer.</summary>
    public long InBytes { get; init; }

    /// <summary>Gets packets that went out.</summary>
    public long OutPackets { get; init; }

    /// <summary>Gets their bytes: inner ones of a tunnel, outer payload of a peer.</summary>
    public long OutBytes { get; init; }

    /// <summary>Gets every reason, also those that never happened.</summary>
    public required IReadOnlyList<StatReason> Reasons { get; init; }

    /// <summary>Gets the workers with their ports; none for a peer.</summary>
    public required IReadOnlyList<StatWorker> Workers { get; init; }
}

/// <summary>How often packets or handshakes ended for one reason.</summary>
public sealed record StatReason
{
    /// <summary>Gets the reason's name.</summary>
    public required string Name { get; init; }

    /// <summary>Gets packets, or handshakes.</summary>
    public long Packets { get; init; }

    /// <summary>Gets their bytes, as they were when they were dropped.</summary>
    public long Bytes { get; init; }

    /// <summary>Gets the seconds since it last happened, to a second; null for never.</summary>
    public double? Age { get; init; }

    /// <summary>Gets what it means, one sentence.</summary>
    public required string Meaning { get; init; }

    /// <summary>Gets what to do about it, one sentence.</summary>
    public required string Remedy { get; init; }
}

/// <summary>What one worker, or the thread that shakes hands, moved through its ports.</summary>
public sealed record StatWorker
{
    /// <summary>Gets the thread's name.</summary>
    public required string Name { get; init; }

    /// <summary>Gets what its inner port is; empty for none.</summary>
    public required string Inner { get; init; }

    /// <summary>Gets what its outer port is; empty for none.</summary>
    public required string Outer { get; init; }

    /// <summary>Gets packets dropped by it.</summary>
    public long Dropped { get; init; }

    /// <summary>Gets what its ports received and sent.</summary>
    public required IReadOnlyList<StatFlow> Ports { get; init; }

    /// <summary>Gets how long bursts take at each stage, by the time stamps of the XDP program; null where there are none.</summary>
    public IReadOnlyList<StatStage>? Stages { get; init; }
}

/// <summary>How long bursts take at one stage.</summary>
public sealed record StatStage
{
    /// <summary>Gets the stage: <c>Waited</c> from the arrival of a burst's oldest datagram to the worker, <c>Worked</c> from there until the worker has done with the burst.</summary>
    public required string Name { get; init; }

    /// <summary>Gets bursts.</summary>
    public long Bursts { get; init; }

    /// <summary>Gets the nanoseconds that half of them did not exceed, at most a quarter too large.</summary>
    public long Median { get; init; }

    /// <summary>Gets the nanoseconds that 99 of 100 did not exceed, at most a quarter too large.</summary>
    public long P99 { get; init; }

    /// <summary>Gets the longest, in nanoseconds.</summary>
    public long Longest { get; init; }
}

/// <summary>One direction of a port.</summary>
public sealed record StatFlow
{
    /// <summary>Gets the direction: <c>InnerReceived</c>, <c>InnerSent</c>, <c>OuterReceived</c> or <c>OuterSent</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Gets packets.</summary>
    public long Packets { get; init; }

    /// <summary>Gets their bytes as the port saw them.</summary>
    public long Bytes { get; init; }
}

/// <summary>How the contracts of <c>stat</c> are read and written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StatRequest))]
[JsonSerializable(typeof(StatAnswer))]
public sealed partial class StatJson : JsonSerializerContext;
