namespace TunnelBox.Control.Diagnosis;

/// <summary>What <c>tunnelctl explain --json</c> prints; configs/schema/explain.json is its schema.</summary>
public sealed record ExplainReport
{
    /// <summary>Gets the version of the schema.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the interface.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets the address that was asked about.</summary>
    public required string Address { get; init; }

    /// <summary>Gets <c>to</c> or <c>from</c>.</summary>
    public required string Direction { get; init; }

    /// <summary>Gets the route by which the kernel reaches the address; null where it has none.</summary>
    public RouteReport? Route { get; init; }

    /// <summary>Gets the peer's public key; null where the address is no peer's.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets the peer's name.</summary>
    public string? PeerName { get; init; }

    /// <summary>Gets the prefix of its allowed IPs that decides.</summary>
    public string? Prefix { get; init; }

    /// <summary>Gets how the peer is.</summary>
    public PeerHealth? Health { get; init; }

    /// <summary>Gets the session; null where there is none.</summary>
    public SessionReport? Session { get; init; }

    /// <summary>Gets where the peer is; null while unknown.</summary>
    public string? Endpoint { get; init; }

    /// <summary>Gets the route to the endpoint, looked up with the tunnel's firewall mark.</summary>
    public RouteReport? EndpointRoute { get; init; }

    /// <summary>Gets the worker and queue that carry it; null where there are several and the flow decides.</summary>
    public int? Queue { get; init; }

    /// <summary>Gets the largest inner packet in bytes that leaves whole.</summary>
    public int? Mtu { get; init; }

    /// <summary>Gets every reason why such a packet would fail now; none where it passes.</summary>
    public required IReadOnlyList<ExplainFault> Faults { get; init; }
}

/// <summary>A way through the kernel.</summary>
/// <param name="Device">The interface.</param>
/// <param name="Gateway">The next hop; null on the link itself.</param>
/// <param name="Source">The source address; null for none.</param>
/// <param name="Mtu">Bytes that pass in one piece.</param>
public sealed record RouteReport(string Device, string? Gateway, string? Source, int Mtu);

/// <summary>A reason why a packet would fail.</summary>
/// <param name="Reason">A drop reason's name where TunnelBox itself drops it, else the name of a cause.</param>
/// <param name="Message">What is wrong, one sentence.</param>
/// <param name="Remedy">What to do, one sentence.</param>
public sealed record ExplainFault(string Reason, string Message, string Remedy);
