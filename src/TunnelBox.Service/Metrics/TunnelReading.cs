using TunnelBox.Control;

namespace TunnelBox.Service.Metrics;

/// <summary>Everything that metrics tell of one tunnel, read at one moment.</summary>
/// <param name="Device">The device.</param>
/// <param name="Stat">What was counted of the whole tunnel.</param>
/// <param name="Peers">Its peers.</param>
public sealed record TunnelReading(DeviceReport Device, StatAnswer Stat, IReadOnlyList<PeerReading> Peers);

/// <summary>What metrics tell of one peer.</summary>
/// <param name="Report">How it is.</param>
/// <param name="Drops">Reasons with packets, those that happened only.</param>
public sealed record PeerReading(PeerReport Report, IReadOnlyList<(string Reason, long Packets)> Drops);
