using TunnelBox.Protocol;

namespace TunnelBox.DataPath;

/// <summary>
/// Which worker owns a peer with its sessions: what its session brings in is received, put in order and delivered there. A peer is dealt to the worker
/// with the least to do, and keeps its owner as long as a session lives, so that no packet overtakes another on its way to a new one. One that begins
/// again after its sessions have ended is dealt anew where its owner has markedly more to do than another. Safe from any thread.
/// </summary>
/// <param name="workers">How many workers there are, at least 1.</param>
/// <param name="now">Reads the tunnel's clock, in nanoseconds.</param>
public sealed class Ownership(int workers, Func<long> now) : IIndexObserver<IndexOwner>
{
    /// <summary>Packets between two looks that are not worth a move.</summary>
    internal const long Little = 256;

    private readonly Lock _gate = new();
    private readonly long[] _loads = new long[workers];
    private readonly int[] _peers = new int[workers];
    private Dictionary<Peer, Traffic> _traffic = [];

    /// <summary>Gets how many workers there are.</summary>
    public int Workers => workers;

    /// <summary>Gives the owner of a peer, which is dealt to one where it has none.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The worker's number, from 0.</returns>
    public int Of(Peer peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        int owner = peer.Owner;
        if ((uint)owner < (uint)workers)
        {
            return owner;
        }

        lock (_gate)
        {
            return (uint)peer.Owner < (uint)workers ? peer.Owner : Deal(peer, Least());
        }
    }

    /// <summary>A peer begins a session: where it has none that lives, this is the moment for another owner.</summary>
    /// <param name="index">The session's receiver index.</param>
    /// <param name="owner">Whose it is.</param>
    public void Added(uint index, IndexOwner owner)
    {
        if ((owner as Peer ?? (owner as Keypair)?.Peer) is not { } peer || peer.HasSession(now()))
        {
            return;
        }

        lock (_gate)
        {
            int least = Least();
            int old = peer.Owner;
            if ((uint)old >= (uint)workers)
            {
                Deal(peer, least);
                return;
            }

            long weight = _traffic.GetValueOrDefault(peer).Weight;
            if (_loads[old] - weight > (_loads[least] * 3 / 2) + Little)
            {
                _loads[old] -= weight;
                _peers[old]--;
                Deal(peer, least);
            }
        }
    }

    /// <inheritdoc/>
    public void Removed(uint index)
    {
        // A peer keeps its owner until it begins again.
    }

    /// <inheritdoc/>
    public void Flush()
    {
        // Everything is right at once.
    }

    /// <summary>Counts what each peer has had to do since the last time; to be called every few seconds, always after the same time.</summary>
    /// <param name="peers">All peers.</param>
    public void Weigh(IReadOnlyList<Peer> peers)
    {
        ArgumentNullException.ThrowIfNull(peers);
        lock (_gate)
        {
            Array.Clear(_loads);
            Array.Clear(_peers);
            Dictionary<Peer, Traffic> traffic = new(peers.Count);
            foreach (Peer peer in peers)
            {
                if ((uint)peer.Owner >= (uint)workers)
                {
                    continue;
                }

                // Half of what was, half of what is: a moment's silence does not make a busy peer an idle one.
                Traffic before = _traffic.GetValueOrDefault(peer);
                long packets = peer.ReceivedPackets + peer.SentPackets;
                var after = new Traffic(packets, (before.Weight + packets - before.Packets) / 2);
                traffic.Add(peer, after);
                _loads[peer.Owner] += after.Weight;
                _peers[peer.Owner]++;
            }

            _traffic = traffic;
        }
    }

    /// <summary>Reads what a worker owns.</summary>
    /// <param name="worker">The worker's number.</param>
    /// <returns>How many peers, and their packets between two looks, in and out, by a moving average.</returns>
    public (int Peers, long Packets) Read(int worker)
    {
        lock (_gate)
        {
            return (_peers[worker], _loads[worker]);
        }
    }

    // Until the next look a new peer counts as an average one, so that many that come at once are spread.
    private int Deal(Peer peer, int worker)
    {
        long weight = _traffic.TryGetValue(peer, out Traffic known) ? known.Weight : _loads.Sum() / Math.Max(_peers.Sum(), 1);
        _loads[worker] += weight;
        _peers[worker]++;
        peer.Owner = worker;
        return worker;
    }

    private int Least()
    {
        int least = 0;
        for (int worker = 1; worker < workers; worker++)
        {
            if ((_loads[worker], _peers[worker]).CompareTo((_loads[least], _peers[least])) < 0)
            {
                least = worker;
            }
        }

        return least;
    }

    private readonly record struct Traffic(long Packets, long Weight);
}
