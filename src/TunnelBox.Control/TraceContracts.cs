using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>
/// The request <c>trace</c>: per-packet records in shared memory until the client leaves. The answer is one line, and beside it the descriptors of
/// the rings: the control side's, then one a worker; last, where it was asked for, the pipe of the key log.
/// </summary>
public sealed record TraceRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "trace";

    /// <summary>Gets a value indicating whether only drops are wanted.</summary>
    public bool DropsOnly { get; init; }

    /// <summary>Gets the public key of the one peer that is wanted, or null for all.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets the name of the one drop reason that is wanted, or null for all.</summary>
    public string? Reason { get; init; }

    /// <summary>Gets the bytes to capture of each inner packet.</summary>
    public int InnerSnap { get; init; }

    /// <summary>Gets the bytes to capture of each UDP payload.</summary>
    public int OuterSnap { get; init; }

    /// <summary>Gets a value indicating whether the keys of handshakes are wanted, as lines of a key log in a pipe.</summary>
    public bool KeyLog { get; init; }
}

/// <summary>The answer to <c>trace</c>.</summary>
public sealed record TraceOpened
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the interface's present name.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets how many rings come: the control side's, and one a worker.</summary>
    public required int Rings { get; init; }

    /// <summary>Gets the peers, so that records can name them.</summary>
    public required IReadOnlyList<TracePeer> Peers { get; init; }
}

/// <summary>A peer as records know it.</summary>
public sealed record TracePeer
{
    /// <summary>Gets the first eight bytes of its key, the first being the highest.</summary>
    public required ulong Id { get; init; }

    /// <summary>Gets its public key.</summary>
    public required string PublicKey { get; init; }

    /// <summary>Gets its name, where it has one.</summary>
    public string? Name { get; init; }
}

/// <summary>How the contracts of <c>trace</c> are read and written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TraceRequest))]
[JsonSerializable(typeof(TraceOpened))]
public sealed partial class TraceJson : JsonSerializerContext;
