using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Service;

/// <content>The counts as the verb <c>stat</c> asks for them.</content>
public sealed partial class TunnelDevice
{
    private static readonly PortFlow[] s_inner = [PortFlow.InnerReceived, PortFlow.InnerSent];
    private static readonly PortFlow[] s_outer = [PortFlow.OuterReceived, PortFlow.OuterSent];

    private static StatReason[] Reasons(CounterTotals totals, ReasonAges? ages, long now) =>
    [
        .. DropReasons.All.Select(reason => new StatReason
        {
            Name = reason.Name,
            Packets = totals.Drops(reason.Reason),
            Bytes = totals.DropBytes(reason.Reason),
            Age = ages?.Of(reason.Reason, now) is { } age ? age / Limits.Second : null,
            Meaning = reason.Meaning,
            Remedy = reason.Remedy,
        }),
    ];

    private static StatStage Stage(string name, StageLatency latency)
    {
        (long count, long median, long p99, long longest) = latency.Read();
        return new StatStage { Name = name, Bursts = count, Median = median, P99 = p99, Longest = longest };
    }

    // Workers' blocks stand in the order of their ports.
    private StatStage[]? Stages(CounterBlock block) =>
        Array.IndexOf(_workerCounters, block) is >= 0 and int worker && _xdp?.Latencies(worker) is { } latencies
            ? [Stage("Waited", latencies.Waited), Stage("Worked", latencies.Worked)]
            : null;

    private StatWorker Worker(CounterBlock block, CounterTotals totals) => new()
    {
        Stages = Stages(block),
        Name = block.Name,
        Inner = block.Inner,
        Outer = block.Outer,
        Dropped = totals.AllDrops,
        Ports =
        [
            .. (block.Inner.Length > 0 ? s_inner : []).Concat(block.Outer.Length > 0 ? s_outer : []).Select(flow => new StatFlow
            {
                Name = flow.ToString(),
                Packets = totals.Port(flow).Packets,
                Bytes = totals.Port(flow).Bytes,
            }),
        ],
    };

    private void Stat(ControlCall call)
    {
        StatRequest request = call.Read(StatJson.Default.StatRequest);
        call.Write(request.Peer is { } peer ? StatOf(peer) : StatOfAll(), StatJson.Default.StatAnswer);
    }

    private StatAnswer StatOfAll()
    {
        CounterTotals totals = _counters.Read();
        return new StatAnswer
        {
            Interface = InterfaceName,
            Time = DateTimeOffset.UtcNow,
            InPackets = totals.InPackets,
            InBytes = totals.InBytes,
            OutPackets = totals.OutPackets,
            OutBytes = totals.OutBytes,
            Reasons = Reasons(totals, _health.Ages, _tunnel.Now()),
            Workers = [.. _counters.ReadEach().Select(each => Worker(each.Block, each.Totals))],
        };
    }

    private StatAnswer StatOf(string text)
    {
        if (!PublicKey.TryParse(text, out PublicKey key))
        {
            throw new ControlException($"{InterfaceName}: the peer to count is no public key; 44 characters of base64 are needed.", ControlFailure.Wrong);
        }

        Peer? peer;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            peer = edit.Find(key);
        }

        return peer is null
            ? throw new ControlException($"{InterfaceName}: {key} is no peer; \"tunnelctl show {InterfaceName} peers\" lists them.", ControlFailure.Wrong)
            : new StatAnswer
            {
                Interface = InterfaceName,
                Time = DateTimeOffset.UtcNow,
                Peer = key.ToString(),
                PeerName = Notes.Find(key)?.Name,
                InPackets = peer.ReceivedPackets,
                InBytes = peer.ReceivedBytes,
                OutPackets = peer.SentPackets,
                OutBytes = peer.SentBytes,
                Reasons = Reasons(peer.Drops.Read(), _health.AgesOf(peer), _tunnel.Now()),
                Workers = [],
            };
    }
}
