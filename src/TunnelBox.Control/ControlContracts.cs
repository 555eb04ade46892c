using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>What every request to a control socket has: one JSON object on a line; a verb's own members stand beside these.</summary>
public record ControlRequest
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the verb.</summary>
    public required string Verb { get; init; }
}

/// <summary>An answer that has nothing to say but that it is done.</summary>
public sealed record ControlDone
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets a value indicating whether it is done; always true.</summary>
    public bool Done { get; init; } = true;
}

/// <summary>An answer that refuses, in place of any other or as the last line of a stream.</summary>
public sealed record ControlError
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets one sentence for people.</summary>
    public required string Error { get; init; }

    /// <summary>Gets what kind of failure it is.</summary>
    public ControlFailure Failure { get; init; }
}

/// <summary>The request <c>annotate</c>: what files say of peers and WireGuard itself has no place for.</summary>
public sealed record AnnotateRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "annotate";

    /// <summary>Most peers in one request; a client sends more of them in several.</summary>
    public const int MaxPeers = 2_000;

    /// <summary>Gets a value indicating whether all present notes leave first.</summary>
    public bool Replace { get; init; }

    /// <summary>Gets the notes.</summary>
    public required IReadOnlyList<PeerAnnotation> Peers { get; init; }

    /// <summary>Gets where the interface's MTU comes from; absent leaves that as it is.</summary>
    public MtuAnnotation? Mtu { get; init; }
}

/// <summary>Where an interface's MTU comes from.</summary>
public sealed record MtuAnnotation
{
    /// <summary>Gets a value indicating whether it is derived from the route to the endpoints, so that it has to follow that; else the file gives it.</summary>
    public required bool Derived { get; init; }

    /// <summary>Gets the MTU in bytes that was set with it; absent where none was set. A device that has another one by then was set by hand.</summary>
    public int? Value { get; init; }
}

/// <summary>What one note of <c>annotate</c> says. What is absent stays as it is; an empty text takes it away.</summary>
public sealed record PeerAnnotation
{
    /// <summary>Gets the peer's public key in base64.</summary>
    public required string PublicKey { get; init; }

    /// <summary>Gets what people call the peer.</summary>
    public string? Name { get; init; }

    /// <summary>Gets the endpoint's host name as written; empty where the endpoint was written as an address.</summary>
    public string? EndpointHost { get; init; }

    /// <summary>Gets the endpoint's port.</summary>
    public ushort EndpointPort { get; init; }

    /// <summary>Most addresses of a host name.</summary>
    public const int MaxAddresses = 32;

    /// <summary>Gets every address that the host name has, the one in use first.</summary>
    public IReadOnlyList<string>? EndpointAddresses { get; init; }

    /// <summary>Gets when the host name was resolved.</summary>
    public DateTimeOffset? ResolvedAt { get; init; }
}

/// <summary>How the contracts are read and written, without reflection; later verbs have contexts of their own.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlDone))]
[JsonSerializable(typeof(ControlError))]
[JsonSerializable(typeof(AnnotateRequest))]
public sealed partial class ControlJson : JsonSerializerContext;
