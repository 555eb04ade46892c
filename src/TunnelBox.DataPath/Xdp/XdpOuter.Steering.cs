using TunnelBox.DataPath.Steering;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <content>The program's knowledge of sessions, and what it may drop.</content>
public sealed unsafe partial class XdpOuter
{
    /// <summary>Counts, one a second, between two looks at what the map really holds.</summary>
    private const int AuditEvery = 4;

    private static readonly string[] s_states = [.. Enum.GetNames<RuleState>().Select(name => name.ToLowerInvariant())];

    private EarlyDrop? _drop;
    private int _ticks;

    /// <summary>Gets the rules of the tunnel's receiver indices, to be filled by the tunnel; null where nothing is steered.</summary>
    public SessionRules? Rules { get; private set; }

    /// <summary>Gets who learns of load; null where nothing is dropped early.</summary>
    public ILoadWatch? LoadWatch => _drop;

    /// <summary>Gets the rules in the card; null where it has none.</summary>
    public FlowRules? Flows { get; private set; }

    /// <summary>Gets what holds steering rules and why, a part of a sentence.</summary>
    public string SteeringChoice { get; private set; } = "off: the setting Steering switches it off";

    private void MakeRules(XdpOuterOptions options, Ownership? owners)
    {
        if (options.Steering is not { } trace)
        {
            return;
        }

        int tunnel = _part?.Place ?? 0;
        _drop = new EarlyDrop(_program, tunnel);
        var map = new SessionMap(_program.Sessions, tunnel: tunnel, filter: _program.Filter);
        var ledger = new RuleLedger(map, (rule, state) => trace.SteeringChanged(map.Name, rule.Match, rule.Queue, rule.Worker, s_states[(int)state]));
        Rules = new SessionRules(ledger, _drop.SetComplete, owners);
        SteeringChoice = _part is null
            ? "map: the XDP program knows the sessions; the setting hw would have the card steer, too"
            : "map: the XDP program knows the sessions; no card steers where several tunnels share a device";
        if (options.SteerInCard is { } peers && _part is null)
        {
            SteerInCard(trace, peers);
        }
    }

    private void SteerInCard(TunnelTrace trace, Func<IReadOnlyList<Peer>> peers)
    {
        if (CardBackends.Open(Device, _ifindex, _port, Queues, out bool byIndex, out string why) is not { } card)
        {
            SteeringChoice = $"map alone: {why}";
            return;
        }

        SteeringChoice = $"hw: {why}";
        Flows = new FlowRules(
            card,
            byIndex,
            Rules!,
            peers,
            _port,
            new QueueChoice(Queues, _options.Owners),
            (rule, state) => trace.SteeringChanged(card.Name, rule.Match, rule.Queue, rule.Worker, s_states[(int)state]),
            (peer, sentence) => trace.Around("steer_ineffective", peer, sentence));
    }

    /// <summary>Gets how long datagrams wait for a worker and how long it then takes; null for a worker without queues.</summary>
    /// <param name="worker">The worker's number.</param>
    /// <returns>The two histograms.</returns>
    public (StageLatency Waited, StageLatency Worked)? Latencies(int worker) => worker < Ports.Count ? (Ports[worker] as XdpPort)?.Latencies : null;

    private void BeginDrops()
    {
        int refused = _drop?.Start() ?? 0;
        if (refused < 0)
        {
            throw new PortException($"no XDP on {Device}: the program's switches cannot be set: {Errno.Describe(refused)}; use the UDP port", refused);
        }
    }

    private void CountEarlyDrops()
    {
        _drop?.Count(_counters);
        if (++_ticks % AuditEvery == 0)
        {
            Rules?.Audit();
        }
    }
}
