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
            string note = setting == "off" ? "the setting Steering switches it off" : "no XDP program runs for this tunnel, which would hold the rules";
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

        LedgerSummary summary = rules.Ledger.Summarize();
        int Count(RuleState state) => summary.Counts[(int)state];
        var backend = new SteerBackend
        {
            Name = summary.Backend,
            Complete = rules.Ledger.IsComplete,
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
        IEnumerable<LedgerLine> busiest = rules.Ledger.List().OrderByDescending(line => line.Hits).ThenBy(line => line.Rule.Match).Take(SteerAnswer.MostRules);
        call.Write(
            new SteerAnswer { Interface = InterfaceName, Time = DateTimeOffset.UtcNow, Setting = setting, Backends = [backend], Rules = [.. busiest.Select(Report)] },
            SteerJson.Default.SteerAnswer);
    }

    private SteerRule Report(LedgerLine line)
    {
        Peer? peer = _tunnel.Indices.Find(line.Rule.Match) is { } owner ? owner as Peer ?? (owner as Keypair)?.Peer : null;
        return new SteerRule
        {
            Match = line.Rule.Match.ToString("x8", CultureInfo.InvariantCulture),
            Peer = peer?.PublicKey.ToString(),
            PeerName = peer is null ? null : Notes.Find(peer.PublicKey)?.Name,
            Queue = line.Rule.Queue == SteeringRule.Any ? null : line.Rule.Queue,
            Worker = line.Rule.Worker == SteeringRule.Any ? null : line.Rule.Worker,
            State = line.State.ToString().ToLowerInvariant(),
            Hits = line.Hits,
            Error = line.Error == 0 ? null : Linux.Libc.Errno.Describe(line.Error),
        };
    }
}
