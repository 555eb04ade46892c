namespace TunnelBox.Linux.Ethtool;

/// <summary>The UDP datagrams of one remote address and port to one local port.</summary>
/// <param name="IsIPv6">Whether over IPv6.</param>
/// <param name="Source">The remote address; an IPv4 address stands in the lowest 32 bits.</param>
/// <param name="SourcePort">The remote port.</param>
/// <param name="DestinationPort">The local port.</param>
public readonly record struct UdpFlow(bool IsIPv6, UInt128 Source, ushort SourcePort, ushort DestinationPort);

/// <summary>A rule as a card's table holds it.</summary>
/// <param name="Flow">What matches; default where the rule is none of those that <see cref="FlowTable"/> sets.</param>
/// <param name="Queue">The receive queue.</param>
/// <param name="Context">The RSS context, 0 for none.</param>
public readonly record struct FlowTableEntry(UdpFlow Flow, ulong Queue, uint Context);
