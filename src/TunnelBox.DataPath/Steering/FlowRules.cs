using TunnelBox.Linux.Ethtool;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// Rules in a card for the peers of a tunnel: all datagrams of a peer come in by one queue, and so to one worker. The busiest peers
/// have them where the card's room is short. Where packets really come in is counted in the XDP program for each session; a rule
/// that stands in the card and has no effect is withdrawn and told. A thread of its own does all of it, once a second.
/// </summary>
public sealed class FlowRules : IDisposable
{
    /// <summary>Passes between two audits: with the time that packets need to be counted, an ineffective rule is found within 5 s.</summary>
    private const int AuditEvery = 2;

    private readonly SessionRules _sessions;
    private readonly Func<IReadOnlyList<Peer>> _peers;
    private readonly ISteeringBackend _backend;
    private readonly RuleLedger _ledger;
    private readonly ushort _port;
    private readonly QueueChoice _queues;
    private readonly bool _byIndex;
    private readonly Action<Peer, string> _tell;
    private readonly Dictionary<Peer, Place> _places = [];
    private readonly Queue<uint> _free = new();
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    private uint _highest;
    private int _passes;

    /// <summary>Makes it; <see cref="Start"/> starts its thread.</summary>
    /// <param name="backend">The card, used by that thread alone, disposed with this object where it can be.</param>
    /// <param name="byIndex">Whether the card matches receiver indices; else it matches addresses and ports.</param>
    /// <param name="sessions">The sessions' rules in the XDP program, which count.</param>
    /// <param name="peers">Gives the peers.</param>
    /// <param name="port">The local UDP port.</param>
    /// <param name="queues">Chooses the receive queue of each peer: its owner's.</param>
    /// <param name="changed">Told of every rule that the card took, lost or refused.</param>
    /// <param name="tell">Told of a peer whose rule has no effect, in a sentence.</param>
    public FlowRules(
        ISteeringBackend backend,
        bool byIndex,
        SessionRules sessions,
        Func<IReadOnlyList<Peer>> peers,
        ushort port,
        QueueChoice queues,
        Action<SteeringRule, RuleState>? changed,
        Action<Peer, string> tell)
    {
        _backend = backend;
        _byIndex = byIndex;
        _sessions = sessions;
        _peers = peers;
        _port = port;
        _queues = queues;
        _tell = tell;
        _ledger = new RuleLedger(backend, changed);
        _thread = new Thread(Run) { Name = "tb-steer", IsBackground = true };
    }

    /// <summary>Gets the rules.</summary>
    public RuleLedger Ledger => _ledger;

    /// <summary>Finds the peer of a rule.</summary>
    /// <param name="match">Which rule.</param>
    /// <returns>The peer, or null.</returns>
    public Peer? PeerOf(uint match)
    {
        lock (_places)
        {
            return _places.FirstOrDefault(each => each.Value.Match == match).Key;
        }
    }

    /// <summary>Starts the thread.</summary>
    public void Start() => _thread.Start();

    /// <summary>Ends the thread and takes the rules out of the card.</summary>
    public void Dispose()
    {
        _stop.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        (_backend as IDisposable)?.Dispose();
        _stop.Dispose();
    }

    /// <summary>One pass: what is wanted, what came of it, and every second time whether it is true.</summary>
    internal void Pass()
    {
        lock (_places)
        {
            Want();
            _ledger.Pump();
            if (++_passes % AuditEvery == 0)
            {
                _ = _ledger.Audit();
                _sessions.Audit();
                Judge();
            }

            Expect();
        }
    }

    private void Run()
    {
        while (!_stop.Wait(1000))
        {
            Pass();
        }
    }

    private void Want()
    {
        HashSet<Peer> present = [];
        foreach (Peer peer in _peers())
        {
            if (peer.Endpoint is not { } endpoint || peer.Current is not { } current)
            {
                continue;
            }

            present.Add(peer);
            bool isKnown = _places.TryGetValue(peer, out Place? place);
            if (place is null)
            {
                place = new Place { Match = _byIndex ? 0 : _free.TryDequeue(out uint free) ? free : ++_highest };
                _places.Add(peer, place);
            }

            if (_byIndex && place.Match != current.LocalIndex)
            {
                if (isKnown)
                {
                    _ledger.Forget(place.Match);
                }

                place.Match = current.LocalIndex;
            }

            UdpFlow flow = _byIndex ? default : new UdpFlow(endpoint.Remote.IsIPv6, endpoint.Remote.Address, endpoint.Remote.Port, _port);
            place.Queue = _queues.Of(peer);
            _ledger.Want(new SteeringRule(place.Match, 0, place.Queue, SteeringRule.Any, flow));
            long received = peer.ReceivedPackets;

            // Half of what was, half of what is: a moment's silence costs no place.
            place.Weight = (place.Weight + (received - place.Received)) / 2;
            place.Received = received;
            _ledger.Weigh(place.Match, place.Weight);
        }

        foreach ((Peer gone, Place place) in _places.Where(each => !present.Contains(each.Key)).ToArray())
        {
            _places.Remove(gone);
            _ledger.Forget(place.Match);
            _sessions.Expect(SessionRules.MarkOf(gone), SteeringRule.Any);
            if (!_byIndex)
            {
                _free.Enqueue(place.Match);
            }
        }
    }

    // Packets counted since the last time: where they came in is held against where the rule leads.
    private void Judge()
    {
        Dictionary<uint, MarkTraffic> traffic = _sessions.Ledger.ByMark();
        Dictionary<uint, LedgerLine> lines = _ledger.List().ToDictionary(line => line.Rule.Match);
        foreach ((Peer peer, Place place) in _places)
        {
            traffic.TryGetValue(SessionRules.MarkOf(peer), out MarkTraffic now);
            long misses = now.Misses - place.Traffic.Misses;
            long right = now.Hits - place.Traffic.Hits - misses;
            place.Traffic = now;
            if (!place.IsExpected)
            {
                continue;
            }

            if (right > 0)
            {
                _ledger.Observe(place.Match, place.Queue, (int)Math.Min(right, int.MaxValue));
            }
            else if (misses > 0)
            {
                _ledger.Observe(place.Match, now.Seen, (int)Math.Min(misses, int.MaxValue));
            }

            if (right <= 0 && misses > 0 && !lines[place.Match].IsIneffective
                && _ledger.Find(place.Match) is { IsIneffective: true })
            {
                _tell(peer, $"the rule of {_backend.Name} for queue {place.Queue} is installed and has no effect: packets come in by queue {now.Seen}; it is withdrawn");
            }
        }

        _ledger.Pump();
    }

    private void Expect()
    {
        foreach ((Peer peer, Place place) in _places)
        {
            place.IsExpected = _ledger.Find(place.Match) is { State: RuleState.Acknowledged or RuleState.Verified };
            _sessions.Expect(SessionRules.MarkOf(peer), place.IsExpected ? place.Queue : SteeringRule.Any);
        }
    }

    private sealed class Place
    {
        public uint Match;
        public ushort Queue;
        public long Weight;
        public long Received;
        public MarkTraffic Traffic;
        public bool IsExpected;
    }
}
