using TunnelBox.Control;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Service;

/// <summary>
/// Looks at every peer once a second, with more than 10,000 peers less often: notes when drop reasons happen, counts replays over a window, and tells those who
/// watch control events when a peer's health changes. It reads what is counted anyway; workers do not know of it.
/// </summary>
public sealed class HealthWatch : IDisposable
{
    private const int PeersASecond = 10_000;
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);
    private readonly Tunnel _tunnel;
    private readonly Func<CounterTotals> _totals;
    private readonly ManualResetEvent _stop = new(false);
    private readonly Lock _gate = new();
    private readonly Thread _thread;
    private Dictionary<Peer, PeerRecord> _records = [];
    private (ulong Ever, int Now) _version;

    /// <summary>Makes a watch; <see cref="Start"/> starts it.</summary>
    /// <param name="tunnel">The tunnel.</param>
    /// <param name="totals">Reads the counts of the whole tunnel.</param>
    public HealthWatch(Tunnel tunnel, Func<CounterTotals> totals)
    {
        _tunnel = tunnel;
        _totals = totals;
        _thread = new Thread(Run, 256 * 1024) { Name = "tb-health", IsBackground = true };
    }

    /// <summary>Gets when drop reasons last happened in the whole tunnel.</summary>
    public ReasonAges Ages { get; } = new();

    /// <summary>Starts looking.</summary>
    public void Start() => _thread.Start();

    /// <summary>Gives when drop reasons last happened to a peer.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The ages, or null where nothing ever happened.</returns>
    public ReasonAges? AgesOf(Peer peer)
    {
        lock (_gate)
        {
            return _records.GetValueOrDefault(peer)?.Ages;
        }
    }

    /// <summary>Judges a peer now.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="contact">When it was last heard and asked.</param>
    /// <returns>How it is.</returns>
    public HealthReading Read(Peer peer, PeerContact contact)
    {
        RecentPackets recent;
        lock (_gate)
        {
            recent = _records.GetValueOrDefault(peer)?.Recent ?? default;
        }

        return HealthRules.Of(contact, recent);
    }

    /// <summary>Looks once.</summary>
    public void Look()
    {
        long now = _tunnel.Now();
        Ages.Look(_totals(), now);
        Adopt();
        List<(Peer Peer, HealthReading Reading)> changed = [];
        foreach ((Peer peer, PeerRecord record) in _records)
        {
            lock (_gate)
            {
                record.Look(peer, now);
            }

            HealthReading reading = HealthRules.Of(_tunnel.ContactOf(peer), record.Recent);
            if (reading.Health != record.Health)
            {
                record.Health = reading.Health;
                changed.Add((peer, reading));
            }
        }

        foreach ((Peer peer, HealthReading reading) in changed)
        {
            _tunnel.Trace.Around("health", peer, Words(reading));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        _stop.Dispose();
    }

    private static string Words(HealthReading reading)
    {
        string name = reading.Health.ToString().ToLowerInvariant();
        return reading.Detail is null ? name : $"{name}: {reading.Detail}";
    }

    // Peers come and go seldom; the rest of the time nothing is copied.
    private void Adopt()
    {
        IReadOnlyList<Peer> peers;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            if (edit.PeersVersion == _version)
            {
                return;
            }

            _version = edit.PeersVersion;
            peers = edit.Peers;
        }

        // A new dictionary: peers that have left leave with the old one.
        Dictionary<Peer, PeerRecord> records = new(peers.Count);
        foreach (Peer peer in peers)
        {
            records[peer] = _records.GetValueOrDefault(peer) ?? new PeerRecord();
        }

        lock (_gate)
        {
            _records = records;
        }
    }

    private void Run()
    {
        while (!_stop.WaitOne(s_interval * Math.Max(1, _records.Count / PeersASecond)))
        {
            Look();
        }
    }

    /// <summary>What is kept of a peer: two samples of its counts, so that the older is between one and two windows old.</summary>
    private sealed class PeerRecord
    {
        private (long At, long Replayed, long Received) _older;
        private (long At, long Replayed, long Received) _newer;

        public PeerHealth Health { get; set; }

        public ReasonAges? Ages { get; private set; }

        public RecentPackets Recent { get; private set; }

        public void Look(Peer peer, long now)
        {
            if (!peer.Drops.Any)
            {
                // Without drops there are no replays either.
                return;
            }

            CounterTotals drops = peer.Drops.Read();
            (Ages ??= new ReasonAges()).Look(drops, now);
            long replayed = drops.Drops(DropReason.InStateSeqError);
            long received = peer.ReceivedPackets;
            if (_newer.At == 0)
            {
                _older = _newer = (now, 0, received);
            }

            Recent = new RecentPackets(replayed - _older.Replayed, received - _older.Received);
            if (now - _newer.At >= HealthRules.Window / 2)
            {
                _older = _newer;
                _newer = (now, replayed, received);
            }
        }
    }
}
