namespace TunnelBox.Visibility;

/// <summary>The sum of one or all workers' counts at about one moment.</summary>
public sealed class CounterTotals
{
    internal const int PortFlows = (int)PortFlow.OuterSent + 1;

    private readonly long[] _drops = new long[DropReasons.Count];
    private readonly long[] _dropBytes = new long[DropReasons.Count];
    private readonly long[] _ports = new long[PortFlows * 2];

    /// <summary>Gets packets that came in from the network and were delivered.</summary>
    public long InPackets { get; internal set; }

    /// <summary>Gets the bytes of those packets, without tunnel headers.</summary>
    public long InBytes { get; internal set; }

    /// <summary>Gets packets that were sealed and handed to the network.</summary>
    public long OutPackets { get; internal set; }

    /// <summary>Gets the bytes of those packets, without tunnel headers.</summary>
    public long OutBytes { get; internal set; }

    /// <summary>Gets the sum over every drop reason.</summary>
    public long AllDrops => _drops.Sum();

    /// <summary>Gets the packets dropped for one reason.</summary>
    /// <param name="reason">The reason.</param>
    /// <returns>How many.</returns>
    public long Drops(DropReason reason) => (uint)reason < DropReasons.Count ? _drops[(int)reason] : 0;

    /// <summary>Gets the bytes of the packets dropped for one reason.</summary>
    /// <param name="reason">The reason.</param>
    /// <returns>How many, counted as the packets were when they were dropped.</returns>
    public long DropBytes(DropReason reason) => (uint)reason < DropReasons.Count ? _dropBytes[(int)reason] : 0;

    /// <summary>Gets what passed a port in one direction.</summary>
    /// <param name="flow">Which port, and which way.</param>
    /// <returns>Packets and their bytes.</returns>
    public (long Packets, long Bytes) Port(PortFlow flow) => (_ports[(int)flow * 2], _ports[((int)flow * 2) + 1]);

    internal void AddDrops(int reason, long packets, long bytes)
    {
        _drops[reason] += packets;
        _dropBytes[reason] += bytes;
    }

    internal void AddPort(int flow, long packets, long bytes)
    {
        _ports[flow * 2] += packets;
        _ports[(flow * 2) + 1] += bytes;
    }
}
