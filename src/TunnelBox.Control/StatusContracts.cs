using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>How a peer is, by the age of what arrived from it and was authenticated; an old handshake says nothing.</summary>
public enum PeerLiveness
{
    /// <summary>Nothing authenticated has arrived since the daemon started.</summary>
    [JsonStringEnumMemberName("never")]
    Never,

    /// <summary>Heard within 135 s: a peer that is spoken to answers within 15 s, and one that is kept alive renews its keys every 120 s.</summary>
    [JsonStringEnumMemberName("active")]
    Active,

    /// <summary>Not heard for 135 s, and nothing was asked of it since.</summary>
    [JsonStringEnumMemberName("idle")]
    Idle,

    /// <summary>It owes an answer: a handshake was begun, 5 s passed, and nothing has arrived since; or it is kept alive and was not heard for 135 s.</summary>
    [JsonStringEnumMemberName("silent")]
    Silent,
}

/// <summary>Where an interface's MTU comes from.</summary>
public enum MtuOrigin
{
    /// <summary>Nobody said: the daemon's setting, or whoever set it since.</summary>
    [JsonStringEnumMemberName("unknown")]
    Unknown,

    /// <summary>The file gives it.</summary>
    [JsonStringEnumMemberName("file")]
    File,

    /// <summary>It is derived from the route to the endpoints, and follows that.</summary>
    [JsonStringEnumMemberName("route")]
    Route,

    /// <summary>It was derived, and then somebody set another one by hand, which stays until the tunnel is brought up anew.</summary>
    [JsonStringEnumMemberName("hand")]
    Hand,
}

/// <summary>One line of the answer to <c>status</c>: the device first, then its peers in portions.</summary>
public sealed record StatusLine
{
    /// <summary>The verb.</summary>
    public const string VerbName = "status";

    /// <summary>Most peers in one line.</summary>
    public const int MaxPeers = 200;

    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the device, in the first line.</summary>
    public DeviceReport? Device { get; init; }

    /// <summary>Gets peers, in the other lines.</summary>
    public IReadOnlyList<PeerReport>? Peers { get; init; }
}

/// <summary>What a daemon tells of itself.</summary>
public sealed record DeviceReport
{
    /// <summary>Gets the interface's name.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets the daemon's process.</summary>
    public required int Process { get; init; }

    /// <summary>Gets the public key, or null where no private key is set.</summary>
    public string? PublicKey { get; init; }

    /// <summary>Gets a value indicating whether the interface is up.</summary>
    public required bool Up { get; init; }

    /// <summary>Gets the interface's MTU in bytes.</summary>
    public required int Mtu { get; init; }

    /// <summary>Gets where the MTU comes from.</summary>
    public MtuOrigin MtuOrigin { get; init; }

    /// <summary>Gets the interface that the route leaves through which the MTU follows; null where it follows none, or there is none now.</summary>
    public string? MtuLink { get; init; }

    /// <summary>Gets the bytes that this route carries.</summary>
    public int? MtuLinkCarries { get; init; }

    /// <summary>Gets the endpoint that this route leads to; null for the default route.</summary>
    public string? MtuEndpoint { get; init; }

    /// <summary>Gets the UDP port, 0 while none is bound.</summary>
    public required int ListenPort { get; init; }

    /// <summary>Gets the firewall mark, 0 for none.</summary>
    public required uint FirewallMark { get; init; }

    /// <summary>Gets the number of threads that move packets, 0 while the interface is down.</summary>
    public required int Workers { get; init; }

    /// <summary>Gets each of those threads; null while there are none.</summary>
    public IReadOnlyList<WorkerReport>? WorkerList { get; init; }

    /// <summary>Gets the setting <c>Steering</c>.</summary>
    public string? Steering { get; init; }

    /// <summary>Gets the kind of port on the inner side.</summary>
    public required string InnerPort { get; init; }

    /// <summary>Gets the kind of port on the outer side.</summary>
    public required string OuterPort { get; init; }

    /// <summary>Gets the offloads in force on the inner side.</summary>
    public required IReadOnlyList<string> InnerOffloads { get; init; }

    /// <summary>Gets the offloads in force on the outer side.</summary>
    public required IReadOnlyList<string> OuterOffloads { get; init; }

    /// <summary>Gets why offloads are not in force, a sentence each.</summary>
    public required IReadOnlyList<string> OffloadNotes { get; init; }

    /// <summary>Gets the queues of the outer side's device, where it is past the kernel (AF_XDP); otherwise null.</summary>
    public IReadOnlyList<QueueReport>? OuterQueues { get; init; }

    /// <summary>Gets on which NUMA node the frames of AF_XDP lie, and why, a part of a sentence; null without AF_XDP.</summary>
    public string? FramesNode { get; init; }

    /// <summary>Gets the queues of the inner side's device, where it is past the kernel (AF_XDP); otherwise null.</summary>
    public IReadOnlyList<QueueReport>? InnerQueues { get; init; }

    /// <summary>Gets the engine that seals and opens packets.</summary>
    public required string Aead { get; init; }

    /// <summary>Gets why it is that one.</summary>
    public required string AeadReason { get; init; }

    /// <summary>Gets a value indicating whether the keys' memory is locked, so that no key can reach swap.</summary>
    public required bool KeysLocked { get; init; }

    /// <summary>Gets why it is not locked.</summary>
    public string? KeysNote { get; init; }

    /// <summary>Gets the handshake messages that wait.</summary>
    public required int WaitingHandshakes { get; init; }

    /// <summary>Gets the places in that queue.</summary>
    public required int HandshakePlaces { get; init; }

    /// <summary>Gets a value indicating whether handshakes must prove their address first.</summary>
    public required bool UnderLoad { get; init; }

    /// <summary>Gets the longest pass of a worker in microseconds: how long a packet may have waited.</summary>
    public required long LongestPassMicroseconds { get; init; }

    /// <summary>Gets the number of peers.</summary>
    public required int PeerCount { get; init; }
}

/// <summary>One thread that moves packets.</summary>
public sealed record WorkerReport
{
    /// <summary>Gets its number, from 0; queues name it.</summary>
    public required int Number { get; init; }

    /// <summary>Gets the processor that it keeps to; null where the kernel chooses.</summary>
    public int? Cpu { get; init; }

    /// <summary>Gets how many peers it owns: what they send is received, put in order and delivered there.</summary>
    public required int Peers { get; init; }

    /// <summary>Gets the packets a second of these peers, in and out, by a moving average of some seconds; null where there is one worker.</summary>
    public long? PacketsPerSecond { get; init; }

    /// <summary>Gets the bursts that it opened for others.</summary>
    public required long OpenedForOthers { get; init; }

    /// <summary>Gets the bursts of its own that it offered to others.</summary>
    public required long Offered { get; init; }
}

/// <summary>What a daemon tells of a peer. Ages are in seconds, with fractions.</summary>
public sealed record PeerReport
{
    /// <summary>Gets the peer's public key.</summary>
    public required string PublicKey { get; init; }

    /// <summary>Gets what people call it.</summary>
    public string? Name { get; init; }

    /// <summary>Gets how it is.</summary>
    public required PeerLiveness State { get; init; }

    /// <summary>Gets whether what is sent gets there and back.</summary>
    public required PeerHealth Health { get; init; }

    /// <summary>Gets what the health is judged by, a sentence; null where there is nothing to say.</summary>
    public string? HealthDetail { get; init; }

    /// <summary>Gets the age of the last thing that arrived from it and was authenticated; null for never.</summary>
    public double? ReceivedAge { get; init; }

    /// <summary>Gets the age of the last handshake that was begun from here; null for never.</summary>
    public double? AskedAge { get; init; }

    /// <summary>Gets when the last handshake was completed; null for never.</summary>
    public DateTimeOffset? LatestHandshake { get; init; }

    /// <summary>Gets where it is; null while unknown.</summary>
    public string? Endpoint { get; init; }

    /// <summary>Gets a value indicating whether the endpoint was learned from the peer's packets and stands in no configuration.</summary>
    public bool EndpointLearned { get; init; }

    /// <summary>Gets the host name its endpoint was written as.</summary>
    public string? EndpointName { get; init; }

    /// <summary>Gets the age of that name's resolution.</summary>
    public double? ResolvedAge { get; init; }

    /// <summary>Gets why the name did not resolve when it was last asked for; null where it did.</summary>
    public string? ResolveFault { get; init; }

    /// <summary>Gets its allowed IPs.</summary>
    public required IReadOnlyList<string> AllowedIps { get; init; }

    /// <summary>Gets the seconds between keepalives, 0 for off.</summary>
    public required int PersistentKeepalive { get; init; }

    /// <summary>Gets the outer payload bytes received.</summary>
    public required long ReceivedBytes { get; init; }

    /// <summary>Gets the outer payload bytes sent.</summary>
    public required long SentBytes { get; init; }

    /// <summary>Gets the packets that wait for a session.</summary>
    public required int WaitingPackets { get; init; }

    /// <summary>Gets the session that seals packets to it; null where there is none.</summary>
    public SessionReport? Session { get; init; }
}

/// <summary>A session.</summary>
/// <param name="LocalIndex">By what the peer names it.</param>
/// <param name="RemoteIndex">By what we name it.</param>
/// <param name="Initiator">Whether we began it, so that renewing it is up to us.</param>
/// <param name="Age">Seconds since it was made.</param>
/// <param name="SentPackets">Counters used for sending.</param>
/// <param name="CanSend">Whether it may still seal packets: it may for 180 s.</param>
public sealed record SessionReport(uint LocalIndex, uint RemoteIndex, bool Initiator, double Age, long SentPackets, bool CanSend);

/// <summary>What <c>tunnelctl status --json</c> prints; configs/schema/status.json is its schema.</summary>
public sealed record StatusDocument
{
    /// <summary>Gets the version of the schema.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the interfaces.</summary>
    public required IReadOnlyList<InterfaceReport> Interfaces { get; init; }
}

/// <summary>An interface in <see cref="StatusDocument"/>.</summary>
/// <param name="Device">The device.</param>
/// <param name="Peers">Its peers, in the daemon's order.</param>
public sealed record InterfaceReport(DeviceReport Device, IReadOnlyList<PeerReport> Peers);

/// <summary>The request <c>handshake</c>: asks for a fresh handshake with a peer, at most one in 5 s.</summary>
public sealed record HandshakeRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "handshake";

    /// <summary>Gets the peer's public key in base64.</summary>
    public required string PublicKey { get; init; }
}

/// <summary>The answer to <c>handshake</c>.</summary>
public sealed record HandshakeAnswer
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the milliseconds from the initiation to the accepted response.</summary>
    public required double Milliseconds { get; init; }
}

/// <summary>How the contracts of <c>status</c> and <c>handshake</c> are read and written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(StatusLine))]
[JsonSerializable(typeof(StatusDocument))]
[JsonSerializable(typeof(HandshakeRequest))]
[JsonSerializable(typeof(HandshakeAnswer))]
public sealed partial class StatusJson : JsonSerializerContext;
