using System.Globalization;
using TunnelBox.Control;
using TunnelBox.DataPath.Steering;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>Steering rules as the verb <c>steer</c> asks for them.</content>
public sealed partial class TunnelDevice
{
    private void Steer(ControlCall call)
    {
        SteerRequest request = call.Read(SteerJson.Default.SteerRequest);
        string setting = _options.Settings.Steering;
        SessionRules? rules = _steering;
        if (rules is null)
        {
            string note = setting == "off" ? "the setting Steering switches it off" : "no program in the kernel holds rules for this tunnel: it has one worker, and no XDP device";
            call.Write(
                new SteerAnswer { Interface = InterfaceName, Time = DateTimeOffset.UtcNow, Setting = setting, Note = note, Backends = [], Rules = [] },
                SteerJson.Default.SteerAnswer);
            return;
        }

        if (request.Resync)
        {
            rules.Ledger.Resync();
            rules.Audit();
        }

        FlowRules? flows = _flows;
        List<SteerBackend> backends = [Report(rules.Ledger)];
        IEnumerable<SteerRule> reported = rules.Ledger.List().Select(line => Report(line, "map", PeerOf(line.Rule.Match)));
        if (flows is not null)
        {
            if (request.Resync)
            {
                flows.Ledger.Resync();
            }

            SteerBackend card = Report(flows.Ledger);
            backends.Add(card);
            reported = reported.Concat(flows.Ledger.List().Select(line => Report(line, card.Name, flows.PeerOf(line.Rule.Match))));
        }

        call.Write(
            new SteerAnswer
            {
                Interface = InterfaceName,
                Time = DateTimeOffset.UtcNow,
                Setting = setting,
                Choice = _steeringChoice,
                Backends = backends,
                Peers = [.. Peers(rules)],
                Rules = [.. reported.OrderBy(rule => rule.Reason is null).ThenByDescending(rule => rule.Hits).ThenBy(rule => rule.Match, StringComparer.Ordinal).Take(SteerAnswer.MostRules)],
            },
            SteerJson.Default.SteerAnswer);
    }

    private static SteerBackend Report(RuleLedger ledger)
    {
        LedgerSummary summary = ledger.Summarize();
        int Count(RuleState state) => summary.Counts[(int)state];
        return new SteerBackend
        {
            Name = summary.Backend,
            Complete = ledger.IsComplete,
            Wanted = Count(RuleState.Wanted),
            Sent = Count(RuleState.Sent),
            Acknowledged = Count(RuleState.Acknowledged),
            Verified = Count(RuleState.Verified),
            Failed = Count(RuleState.Failed),
            Evicted = Count(RuleState.Evicted),
            Leaving = summary.Leaving,
            Capacity = summary.Capacity,
            Credits = summary.Credits,
            Outstanding = summary.Outstanding,
            Ineffective = summary.Ineffective,
            Strangers = summary.Strangers,
        };
    }

    private Peer? PeerOf(uint index) => _tunnel.Indices.Find(index) is { } owner ? owner as Peer ?? (owner as Keypair)?.Peer : null;

    // All sessions of a peer together: the one of before counts, too, while it lives.
    private IEnumerable<SteerPeer> Peers(SessionRules rules) => rules.Ledger.List()
        .GroupBy(line => line.Rule.Mark)
        .Select(group => (Lines: group, Peer: group.Select(line => PeerOf(line.Rule.Match)).FirstOrDefault(peer => peer is not null)))
        .Select(each => new SteerPeer
        {
            Peer = each.Peer?.PublicKey.ToString(),
            PeerName = each.Peer is null ? null : Notes.Find(each.Peer.PublicKey)?.Name,
            Queue = each.Lines.Select(line => line.Rule.Queue).FirstOrDefault(queue => queue != SteeringRule.Any, SteeringRule.Any) is var queue && queue != SteeringRule.Any ? queue : null,
            Hits = each.Lines.Sum(line => line.Hits),
            Misses = each.Lines.Sum(line => line.Misses),
        })
        .OrderByDescending(peer => peer.Hits)
        .Take(SteerAnswer.MostRules);

    private SteerRule Report(LedgerLine line, string backend, Peer? peer) => new()
    {
        Match = line.Rule.Match.ToString("x8", CultureInfo.InvariantCulture),
        Backend = backend,
        Peer = peer?.PublicKey.ToString(),
        PeerName = peer is null ? null : Notes.Find(peer.PublicKey)?.Name,
        Queue = line.Rule.Queue == SteeringRule.Any ? null : line.Rule.Queue,
        Worker = line.Rule.Worker == SteeringRule.Any ? null : line.Rule.Worker,
        State = line.State.ToString().ToLowerInvariant(),
        Reason = line.IsIneffective ? "ineffective" : line.State == RuleState.Failed ? "refused" : line.State == RuleState.Evicted ? "full" : null,
        Hits = line.Hits,
        Misses = line.Misses,
        Seen = line.Misses == 0 || line.Seen == SteeringRule.Any ? null : line.Seen,
        Error = line.Error == 0 ? null : Linux.Libc.Errno.Describe(line.Error),
    };
}
