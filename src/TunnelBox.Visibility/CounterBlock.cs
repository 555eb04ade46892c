namespace TunnelBox.Visibility;

/// <summary>One direction of one of a worker's two ports.</summary>
public enum PortFlow
{
    /// <summary>From the inner interface to the worker.</summary>
    InnerReceived,

    /// <summary>From the worker to the inner interface.</summary>
    InnerSent,

    /// <summary>From the network to the worker.</summary>
    OuterReceived,

    /// <summary>From the worker to the network.</summary>
    OuterSent,
}

/// <summary>
/// The counters of one worker: plain additions by one writer, on cache lines that no other writer touches. Readers sum the
/// blocks of all workers (<see cref="Counters"/>).
/// </summary>
public sealed class CounterBlock
{
    // Processors fetch lines of 64 bytes in pairs, so 128 bytes on both sides keep neighbours on the heap away.
    private const int Padding = 128 / sizeof(long);
    private const int DropBytes = Padding + DropReasons.Count;
    private const int InPackets = DropBytes + DropReasons.Count;
    private const int InBytes = InPackets + 1;
    private const int OutPackets = InPackets + 2;
    private const int OutBytes = InPackets + 3;
    private const int Ports = InPackets + 4;
    private const int Cells = Ports + (2 * CounterTotals.PortFlows);

    private readonly long[] _cells = new long[Cells + Padding];

    internal CounterBlock(string name, int writer)
    {
        Name = name;
        Writer = writer;
    }

    /// <summary>Gets the name of the worker that counts here.</summary>
    public string Name { get; }

    /// <summary>Gets the worker's number among all writers of this tunnel, from 1; <see cref="PeerDrops"/> tells writers apart by it.</summary>
    public int Writer { get; }

    /// <summary>Gets what the worker's inner port is.</summary>
    public string Inner { get; internal set; } = string.Empty;

    /// <summary>Gets what the worker's outer port is.</summary>
    public string Outer { get; internal set; } = string.Empty;

    /// <summary>Counts packets that came in and were delivered; for the owning worker.</summary>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes, without tunnel headers.</param>
    public void CountIn(long packets, long bytes)
    {
        Add(InPackets, packets);
        Add(InBytes, bytes);
    }

    /// <summary>Counts packets that were sealed and sent; for the owning worker.</summary>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes, without tunnel headers.</param>
    public void CountOut(long packets, long bytes)
    {
        Add(OutPackets, packets);
        Add(OutBytes, bytes);
    }

    /// <summary>Counts what passed one of the worker's ports; for the owning worker.</summary>
    /// <param name="flow">Which port, and which way.</param>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes as the port saw them.</param>
    public void CountPort(PortFlow flow, long packets, long bytes)
    {
        Add(Ports + ((int)flow * 2), packets);
        Add(Ports + ((int)flow * 2) + 1, bytes);
    }

    /// <summary>Counts dropped packets; for the owning worker.</summary>
    /// <param name="reason">Why; <see cref="DropReason.None"/> counts nothing.</param>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes, as they were when they were dropped.</param>
    public void CountDrop(DropReason reason, long packets = 1, long bytes = 0)
    {
        if (reason != DropReason.None && (uint)reason < DropReasons.Count)
        {
            Add(Padding + (int)reason, packets);
            Add(DropBytes + (int)reason, bytes);
        }
    }

    internal void AddTo(CounterTotals totals)
    {
        for (int reason = 0; reason < DropReasons.Count; reason++)
        {
            totals.AddDrops(reason, Volatile.Read(ref _cells[Padding + reason]), Volatile.Read(ref _cells[DropBytes + reason]));
        }

        totals.InPackets += Volatile.Read(ref _cells[InPackets]);
        totals.InBytes += Volatile.Read(ref _cells[InBytes]);
        totals.OutPackets += Volatile.Read(ref _cells[OutPackets]);
        totals.OutBytes += Volatile.Read(ref _cells[OutBytes]);
        for (int flow = 0; flow < CounterTotals.PortFlows; flow++)
        {
            totals.AddPort(flow, Volatile.Read(ref _cells[Ports + (flow * 2)]), Volatile.Read(ref _cells[Ports + (flow * 2) + 1]));
        }
    }

    // One writer, so no interlocked addition; the volatile write keeps a reader from seeing it late.
    private void Add(int cell, long amount)
    {
        if (Observation.On)
        {
            Volatile.Write(ref _cells[cell], _cells[cell] + amount);
        }
    }
}
