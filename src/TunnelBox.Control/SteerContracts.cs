using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>The request <c>steer</c>: the steering rules, and how far each has come.</summary>
public sealed record SteerRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "steer";

    /// <summary>Gets a value indicating whether every rule is to be sent and checked again first.</summary>
    public bool Resync { get; init; }
}

/// <summary>The answer to <c>steer</c>.</summary>
public sealed record SteerAnswer
{
    /// <summary>Rules in an answer.</summary>
    public const int MostRules = 1000;

    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the interface's present name.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets when the rules were read.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Gets the setting Steering.</summary>
    public required string Setting { get; init; }

    /// <summary>Gets why nothing is steered, a sentence; null where something is.</summary>
    public string? Note { get; init; }

    /// <summary>Gets what was chosen to hold rules, and why, a part of a sentence; null where nothing is steered.</summary>
    public string? Choice { get; init; }

    /// <summary>Gets those that hold rules.</summary>
    public required IReadOnlyList<SteerBackend> Backends { get; init; }

    /// <summary>Gets what was counted for each peer with a session, the busiest first, at most <see cref="MostRules"/>.</summary>
    public IReadOnlyList<SteerPeer> Peers { get; init; } = [];

    /// <summary>Gets the rules, the busiest first, at most <see cref="MostRules"/>.</summary>
    public required IReadOnlyList<SteerRule> Rules { get; init; }
}

/// <summary>One that holds rules, and how its ledger stands.</summary>
public sealed record SteerBackend
{
    /// <summary>Gets its name: <c>map</c> for the XDP program's.</summary>
    public required string Name { get; init; }

    /// <summary>Gets a value indicating whether it holds every wanted rule, so that what matches none is nobody's.</summary>
    public bool Complete { get; init; }

    /// <summary>Gets how many rules wait to be sent.</summary>
    public int Wanted { get; init; }

    /// <summary>Gets how many are under way.</summary>
    public int Sent { get; init; }

    /// <summary>Gets how many it said yes to.</summary>
    public int Acknowledged { get; init; }

    /// <summary>Gets how many were found in it since.</summary>
    public int Verified { get; init; }

    /// <summary>Gets how many were refused or have no effect.</summary>
    public int Failed { get; init; }

    /// <summary>Gets how many have no room.</summary>
    public int Evicted { get; init; }

    /// <summary>Gets how many are on their way out.</summary>
    public int Leaving { get; init; }

    /// <summary>Gets how many rules it was found to hold at most, or null while it has refused none.</summary>
    public int? Capacity { get; init; }

    /// <summary>Gets how many orders may be under way at once.</summary>
    public int Credits { get; init; }

    /// <summary>Gets how many orders are under way.</summary>
    public int Outstanding { get; init; }

    /// <summary>Gets how often a rule was found missing, changed or without effect after it was acknowledged.</summary>
    public long Ineffective { get; init; }

    /// <summary>Gets how many rules were found that nobody wanted; they were removed.</summary>
    public long Strangers { get; init; }
}

/// <summary>What the sessions of one peer were seen to do.</summary>
public sealed record SteerPeer
{
    /// <summary>Gets its public key, or null where it has just gone.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets its name, where it has one.</summary>
    public string? PeerName { get; init; }

    /// <summary>Gets the queue that a card was told to send its packets to, or null where none was.</summary>
    public int? Queue { get; init; }

    /// <summary>Gets data messages that the XDP program knew.</summary>
    public long Hits { get; init; }

    /// <summary>Gets those of them that came in by another queue.</summary>
    public long Misses { get; init; }
}

/// <summary>One rule.</summary>
public sealed record SteerRule
{
    /// <summary>Gets the receiver index that it matches, in hexadecimal.</summary>
    public required string Match { get; init; }

    /// <summary>Gets the public key of the peer whose session it is, or null where the session has just ended.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets the peer's name, where it has one.</summary>
    public string? PeerName { get; init; }

    /// <summary>Gets the queue that it leads to, or null for any.</summary>
    public int? Queue { get; init; }

    /// <summary>Gets the worker that it leads to, or null for any.</summary>
    public int? Worker { get; init; }

    /// <summary>Gets <c>wanted</c>, <c>sent</c>, <c>acknowledged</c>, <c>verified</c>, <c>failed</c> or <c>evicted</c>.</summary>
    public required string State { get; init; }

    /// <summary>Gets the name of what holds it.</summary>
    public string? Backend { get; init; }

    /// <summary>Gets why it failed or waits: <c>ineffective</c> (it stands there, or was said to, and has no effect), <c>refused</c> or <c>full</c>; null where it did not.</summary>
    public string? Reason { get; init; }

    /// <summary>Gets packets that came in by another queue than the rule's.</summary>
    public long Misses { get; init; }

    /// <summary>Gets the queue of the last of these, or null where there were none.</summary>
    public int? Seen { get; init; }

    /// <summary>Gets packets that matched, when they were last counted (every 4 s).</summary>
    public long Hits { get; init; }

    /// <summary>Gets the kernel's word for why it was refused, or null.</summary>
    public string? Error { get; init; }
}

/// <summary>How the contracts of <c>steer</c> are read and written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SteerRequest))]
[JsonSerializable(typeof(SteerAnswer))]
public sealed partial class SteerJson : JsonSerializerContext;
