using System.Diagnostics;
using TunnelBox.Crypto;
using TunnelBox.DataPath;
using TunnelBox.Protocol;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>Workers in one arrangement, and what they move in a moment.</summary>
internal sealed class Lineup : IDisposable
{
    private readonly Gate _gate;
    private readonly Worker[] _workers;
    private readonly SinkPort[] _sinks;
    private readonly NumberPort[] _numbers;
    private readonly OpenPort[] _open;
    private readonly Peer _peer;
    private readonly Rest[] _rests;

    private Lineup(Gate gate, Hub hub, Worker[] workers, Rest[] rests, SinkPort[] sinks, NumberPort[] numbers, OpenPort[] open)
    {
        _peer = hub.Peers[0];
        _rests = rests;
        _open = open;
        _gate = gate;
        _workers = workers;
        _sinks = sinks;
        _numbers = numbers;
        Array.ForEach(workers, worker => worker.Start());
    }

    /// <summary>Gets the packets that were not the next of their session.</summary>
    public long Reordered => _numbers.Sum(port => port.Reordered);

    /// <summary>Gets the packets moved so far.</summary>
    public long Moved => _sinks.Sum(sink => sink.Sent) + _numbers.Sum(port => port.Delivered);

    /// <summary>Gets the nanoseconds of processor time that a packet cost in the last measurement, of all workers together.</summary>
    public double ProcessorTime { get; private set; }

    /// <summary>Gets the blocks that other workers than their owner opened.</summary>
    public long Helped => _workers.Sum(worker => worker.Helped);

    /// <summary>Workers that seal, each with packets to every end.</summary>
    /// <param name="hub">The end.</param>
    /// <param name="to">The other ends.</param>
    /// <param name="workers">How many workers.</param>
    /// <returns>The arrangement.</returns>
    public static Lineup Sealing(Hub hub, Hub[] to, int workers)
    {
        var gate = new Gate();
        SinkPort[] sinks = [.. Enumerable.Range(0, workers).Select(_ => new SinkPort())];
        SealPort[] ports = [.. sinks.Select(_ => new SealPort(gate, hub.Inner, to))];
        return new Lineup(gate, hub, [.. ports.Select((port, i) => hub.Work(port, sinks[i], null))], [.. ports.Select(port => port.Rest)], sinks, [], []);
    }

    /// <summary>Workers that open, each the sessions that it owns; one without any helps.</summary>
    /// <param name="hub">The end.</param>
    /// <param name="sessions">The sessions.</param>
    /// <param name="workers">How many workers.</param>
    /// <param name="aead">The engine of a single worker; null for the best there is.</param>
    /// <returns>The arrangement.</returns>
    public static Lineup Opening(Hub hub, SealedPackets[] sessions, int workers, IPacketAead? aead = null)
    {
        var gate = new Gate();
        var team = new WorkerTeam();
        var owners = new Ownership(workers, hub.Tunnel.Now);
        Array.ForEach(sessions, each => each.Peer.Owner = -1);
        SealedPackets[][] owned = [.. Enumerable.Range(0, workers).Select(worker => sessions.Where(each => owners.Of(each.Peer) == worker).ToArray())];
        NumberPort[] numbers = [.. owned.Select(each => new NumberPort(each))];
        OpenPort[] open = [.. owned.Select(each => new OpenPort(gate, each))];
        return new Lineup(gate, hub, [.. numbers.Select((inner, worker) => hub.Work(inner, open[worker], team, aead))], [.. open.Select(port => port.Rest)], [], numbers, open);
    }

    /// <summary>Has them work for a moment.</summary>
    /// <param name="milliseconds">How long.</param>
    /// <returns>Packets a second.</returns>
    public double Rate(int milliseconds)
    {
        // Others have opened packets of the same sessions meanwhile; nobody works at this moment.
        Array.ForEach(_numbers, port => port.Rewind());
        Array.ForEach(_open, port => port.Rewind());
        _gate.Open();

        // The first moment is for waking up.
        Thread.Sleep(milliseconds / 5);
        double processor = ProcessClock.Elapsed();
        long before = Moved;
        long start = Stopwatch.GetTimestamp();
        Thread.Sleep(milliseconds);
        double rate = (Moved - before) / Stopwatch.GetElapsedTime(start).TotalSeconds;
        ProcessorTime = (ProcessClock.Elapsed() - processor) * 1e9 / Math.Max(Moved - before, 1);
        _gate.Close();

        // Two looks that began after the end: what a worker had taken before them is done.
        for (int look = 0; look < 2; look++)
        {
            long[] seen = [.. _rests.Select(rest => rest.Times)];
            Array.ForEach(_workers, worker => worker.Flush(_peer, keepalive: false));
            while (_rests.Where((rest, i) => rest.Times == seen[i]).Any())
            {
                Thread.Sleep(1);
            }
        }

        return rate;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Array.ForEach(_workers, worker => worker.Dispose());
        _gate.Dispose();
    }
}
