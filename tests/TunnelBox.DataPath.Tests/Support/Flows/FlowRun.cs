using System.Diagnostics;
using System.Net;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Flows;

/// <summary>What became of the packets of a run.</summary>
/// <param name="Sent">Packets made.</param>
/// <param name="Arrived">Packets delivered at the other end.</param>
/// <param name="Reordered">Those of them that came after a later one of their inner flow, or a second time.</param>
/// <param name="Rekeys">New sessions while packets were under way.</param>
/// <param name="Changes">Changes of allowed IPs, and so of rules, meanwhile.</param>
/// <param name="Helped">Bursts that another worker than the owner opened.</param>
/// <param name="Shared">Bursts that an owner offered.</param>
/// <param name="Dropped">Packets dropped with a reason.</param>
/// <param name="Allocated">Bytes that workers allocated after their first passes.</param>
internal sealed record FlowResult(long Sent, long Arrived, long Reordered, int Rekeys, int Changes, long Helped, long Shared, long Dropped, long Allocated);

/// <summary>
/// Two ends with several workers each, one tunnel between them, numbered packets of many inner flows both ways; sessions are renewed and allowed
/// IPs changed all the time.
/// </summary>
internal static class FlowRun
{
    private const int Flows = 24;

    /// <summary>Runs.</summary>
    /// <param name="packets">Packets in all.</param>
    /// <param name="workers">Workers of each end.</param>
    /// <param name="patience">How long it may take.</param>
    /// <param name="changes">Whether sessions are renewed and allowed IPs changed.</param>
    /// <returns>What became of them.</returns>
    public static FlowResult Run(long packets, int workers, TimeSpan patience, bool changes = true)
    {
        var clock = new FlowClock();
        using var a = new FlowEnd(clock, 1, workers, Flows);
        using var b = new FlowEnd(clock, 2, workers, Flows);
        FlowEnd.Join(a, b);
        FlowEnd[] ends = [a, b];
        a.Tunnel.WantHandshake(a.Peer!, a.Tunnel.Now());
        for (int i = 0; i < 10; i++)
        {
            a.Step();
            b.Step();
        }

        FlowPort[] ports = [.. ends.SelectMany(end => end.Ports.Where((_, worker) => worker < Math.Max(1, workers - 1)))];
        Array.ForEach(ports, port => port.Left = packets / ports.Length);
        Array.ForEach(ends, end => Array.ForEach(end.Workers, worker => worker.Start()));

        // The end that answered may use the session once it has heard a packet of it.
        a.Flush(a.Peer!, keepalive: true);
        Assert.True(SpinWait.SpinUntil(() => b.Peer!.Current is not null, patience), "There is no session.");
        Array.ForEach(ends, end => end.Goes = true);

        long wanted = packets / ports.Length * ports.Length;
        var watch = Stopwatch.StartNew();
        int rekeys = 0;
        int changed = 0;
        var session = a.Peer!.Current;

        // A session before the last one is forgotten, so the next one begins only when what that one carried has arrived, in both directions.
        long[] next = [0, 0];
        var rest = new FlowRest(ends);
        while (watch.Elapsed < patience && (ports.Sum(port => port.Left) > 0 || !rest.IsReached()))
        {
            // Nor once no more packets are made: for what is under way then, session after session would end.
            if (changes && ports.Sum(port => port.Left) > 0 && ends.Zip(next).All(each => each.First.Arrived >= each.Second || each.First.Other!.Ports.All(port => port.Left <= 0)))
            {
                clock.Advance((Limits.RekeyTimeout / 1e9) + 0.5);
                FlowEnd begins = rekeys % 2 == 0 ? a : b;
                _ = begins.Tunnel.BeginHandshake(begins.Peer!, out _, out _);
                next = [.. ends.Select(end => end.Arrived + Math.Max(wanted / 80, 12_000))];
            }

            a.Step();
            b.Step();
            if (changes)
            {
                Change((changed & 1) == 0 ? a : b, changed++);
            }

            Thread.Sleep(1);
            rekeys += ReferenceEquals(session, a.Peer!.Current) ? 0 : 1;
            session = a.Peer!.Current;
        }

        return new FlowResult(
            wanted - ports.Sum(port => port.Left),
            a.Arrived + b.Arrived,
            a.Reordered + b.Reordered,
            rekeys,
            changed,
            ends.Sum(end => end.Workers.Sum(worker => worker.Helped)),
            ends.Sum(end => end.Workers.Sum(worker => worker.Shared)),
            ends.Sum(end => end.Dropped),
            ends.Sum(end => end.Wires.Sum(wire => wire.Allocated)));
    }

    private static void Change(FlowEnd end, int number)
    {
        using Tunnel.Edit edit = end.Tunnel.BeginEdit();
        edit.AddAllowedIp(end.Peer!, new IPNetwork(new IPAddress([172, 16, (byte)(number >> 3), 0]), 24));
    }
}
