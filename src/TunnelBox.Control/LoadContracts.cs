using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>The request <c>load</c>: how busy workers are, and how far peers are away.</summary>
public sealed record LoadRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "load";
}

/// <summary>The answer to <c>load</c>.</summary>
public sealed record LoadAnswer
{
    /// <summary>Most peers in an answer.</summary>
    public const int MaxPeers = 5_000;

    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the workers.</summary>
    public required IReadOnlyList<WorkerLoad> Workers { get; init; }

    /// <summary>Gets the round trips of those peers of which one is known.</summary>
    public required IReadOnlyList<PeerRoundTrip> RoundTrips { get; init; }
}

/// <summary>How busy a worker was.</summary>
public sealed record WorkerLoad
{
    /// <summary>Gets the thread's name.</summary>
    public required string Name { get; init; }

    /// <summary>Gets the milliseconds since it was started.</summary>
    public required double AgeMilliseconds { get; init; }

    /// <summary>Gets the milliseconds of these in which it slept, because nothing was to do.</summary>
    public required double AsleepMilliseconds { get; init; }

    /// <summary>Gets the longest pass so far in microseconds: how long a packet may have waited for its worker.</summary>
    public required double LongestPassMicroseconds { get; init; }
}

/// <summary>How far a peer is away.</summary>
/// <param name="PublicKey">The peer.</param>
/// <param name="Milliseconds">From our last initiation to its response, with the time that it took to compute one.</param>
public sealed record PeerRoundTrip(string PublicKey, double Milliseconds);

/// <summary>How the contracts of <c>load</c> are read and written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LoadRequest))]
[JsonSerializable(typeof(LoadAnswer))]
public sealed partial class LoadJson : JsonSerializerContext;
