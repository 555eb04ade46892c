using System.Collections.Concurrent;
using TunnelBox.Crypto;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <summary>
/// WireGuard itself, without any input or output of its own: datagrams and ticks go in, datagrams and requests come out
/// through <see cref="ITunnelOutput"/>. One lock guards configuration, handshakes and timers; workers only read published
/// references and leave wishes in queues.
/// </summary>
public sealed partial class Tunnel : IDisposable
{
    private readonly Lock _gate = new();
    private readonly KeyArena _arena;
    private readonly RandomSource _random;
    private readonly TimeProvider _clock;
    private readonly TimeProvider _wallClock;
    private readonly Func<PublicKey, IStampSource> _openStamps;
    private readonly ITunnelOutput _output;
    private readonly Action<Keypair> _discard;
    private readonly Dictionary<PublicKey, Peer> _peers = [];
    private readonly ConcurrentQueue<Peer> _wishes = new();
    private readonly ConcurrentQueue<Keypair> _retired = new();
    private readonly ConcurrentQueue<Peer> _activated = new();
    private readonly List<Peer> _active = [];
    private readonly InitiationOpener _opener;
    private AllowedIps<Peer> _allowedIps = AllowedIps<Peer>.Empty;
    private Identity? _identity;
    private IStampSource? _stamps;
    private CookieChecker? _cookies;
    private ulong _sequence;
    private long _slept = long.MinValue;

    /// <summary>Makes a tunnel without key and peers.</summary>
    /// <param name="arena">Where keys are kept; not owned.</param>
    /// <param name="random">Randomness for keys, indices and jitter.</param>
    /// <param name="clock">The clock that ages keys; must count the time in suspend (CLOCK_BOOTTIME).</param>
    /// <param name="wallClock">Wall clock for the times that are shown; its timestamps must stand still in suspend (CLOCK_MONOTONIC).</param>
    /// <param name="stamps">Opens the time stamps of the device with a public key; disposed with the key, where it can be.</param>
    /// <param name="output">The world around.</param>
    public Tunnel(
        KeyArena arena, RandomSource random, TimeProvider clock, TimeProvider wallClock, Func<PublicKey, IStampSource> stamps, ITunnelOutput output)
    {
        _arena = arena;
        _random = random;
        _clock = clock;
        _wallClock = wallClock;
        _openStamps = stamps;
        _output = output;
        _opener = new InitiationOpener(arena);
        _discard = Discard;
        Trace = new TunnelTrace(wallClock);
    }

    /// <summary>Gets the receiver indices in use.</summary>
    public IndexTable<IndexOwner> Indices { get; } = new();

    /// <summary>Gets who is told of what happens.</summary>
    public TunnelTrace Trace { get; }

    /// <summary>Gets who is given the keys of handshakes; nobody, unless an operator asks for it.</summary>
    public KeyLog KeyLog { get; } = new();

    /// <summary>Gets the announcements of workers, which decide when keys can be wiped.</summary>
    public Quiescence Quiescence { get; } = new();

    /// <summary>Gets which peer owns which addresses: an immutable snapshot, to be read once per burst.</summary>
    public AllowedIps<Peer> AllowedIps => Volatile.Read(ref _allowedIps);

    /// <summary>Gets the checker of handshake MACs for the present private key, or null while there is none.</summary>
    public CookieChecker? Cookies => Volatile.Read(ref _cookies);

    /// <summary>Gets the number of peers.</summary>
    public int PeerCount
    {
        get
        {
            lock (_gate)
            {
                return _peers.Count;
            }
        }
    }

    /// <summary>Reads the clock that all deadlines are in.</summary>
    /// <returns>Nanoseconds; only differences mean anything.</returns>
    public long Now() => _clock.GetTimestamp();

    /// <summary>
    /// A worker found no usable session, or one that must be renewed: asks for a handshake unless one is under way.
    /// Allocation-free when nothing is to be done.
    /// </summary>
    /// <param name="peer">The peer.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void WantHandshake(Peer peer, long now)
    {
        long last = peer.Timers.LastInitiation;
        if ((last == long.MinValue || now - last >= Limits.RekeyTimeout) && peer.TryWantHandshake())
        {
            _wishes.Enqueue(peer);
            _output.Wake();
        }
    }

    /// <summary>
    /// A worker received on a session of ours that is about to expire while we have nothing to send: asks once for a new one.
    /// </summary>
    /// <param name="peer">The peer.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void WantLastMinuteHandshake(Peer peer, long now)
    {
        if (!peer.Timers.SentLastMinuteHandshake)
        {
            peer.Timers.SentLastMinuteHandshake = true;
            WantHandshake(peer, now);
        }
    }

    /// <summary>A worker may have started one of the peer's timers: makes sure that <see cref="Tick"/> looks at them.</summary>
    /// <param name="peer">The peer.</param>
    public void Touch(Peer peer)
    {
        if (peer.TryActivate())
        {
            _activated.Enqueue(peer);
            _output.Wake();
        }
    }

    /// <summary>The first packet of a session that we answered for arrived: both ends have the keys, the session is in use.</summary>
    /// <param name="keypair">The session.</param>
    public void Confirm(Keypair keypair)
    {
        Peer peer = keypair.Peer;
        if (peer.Promote(keypair, _discard))
        {
            peer.Timers.HandshakeComplete();
            peer.UnusedResponses = 0;
            peer.HandshakeCompleted(UnixNanoseconds());
            Trace.HandshakeCompleted(peer, initiator: false, Now() - keypair.Created);
            _output.Event(peer, TunnelEvent.SessionEstablished);
            _output.Flush(peer, keepalive: false);
        }
    }

    /// <summary>
    /// Gives up every session and handshake: after suspend, or when a snapshot of the machine was restored, since a counter
    /// used before could be used again.
    /// </summary>
    public void DropAllSessions()
    {
        lock (_gate)
        {
            foreach (Peer peer in _peers.Values)
            {
                peer.DiscardSessions(_discard);
                DropHandshake(peer, DropReason.OutHandshakeAbandoned);
                peer.Timers.LastInitiation = long.MinValue;
            }
        }
    }

    /// <summary>The interface went down: no session, no timer, no waiting packet survives.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            foreach (Peer peer in _peers.Values)
            {
                StopPeer(peer, DropReason.OutInterfaceDown);
            }
        }
    }

    /// <summary>The interface came up: peers with persistent keepalive say hello.</summary>
    public void Start()
    {
        lock (_gate)
        {
            foreach (Peer peer in _peers.Values)
            {
                if (peer.Timers.PersistentInterval != 0)
                {
                    _output.Flush(peer, keepalive: true);
                }
            }
        }
    }

    /// <summary>Has somebody keep a copy of the receiver indices in use: each stands in it before the message leaves that carries it.</summary>
    /// <param name="observer">Who, or null for nobody; called under the tunnel's lock, so it must not wait.</param>
    public void ObserveIndices(IIndexObserver<IndexOwner>? observer)
    {
        lock (_gate)
        {
            Indices.Observe(observer);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Peer peer in _peers.Values)
            {
                StopPeer(peer, DropReason.OutPeerRemoved);
                peer.Handshake.Dispose();
                peer.Cookies?.Clear();
            }

            _peers.Clear();
            RetireDiscarded();
            Quiescence.Collect();
            _identity?.Dispose();
            _identity = null;
            _cookies?.Dispose();
            _cookies = null;
            (_stamps as IDisposable)?.Dispose();
            _stamps = null;
            _opener.Dispose();
        }
    }

    private void StopPeer(Peer peer, DropReason reason)
    {
        peer.DiscardSessions(_discard);
        DropHandshake(peer, DropReason.OutHandshakeAbandoned);
        peer.Timers.Stop();
        DropStaged(peer, reason);
    }

    private void DropStaged(Peer peer, DropReason reason)
    {
        int dropped = peer.Staged.Clear(out long bytes);
        if (dropped > 0)
        {
            Drop(peer, reason, dropped, bytes);
        }
    }

    // Under the lock, as every count of the control side.
    private void Drop(Peer peer, DropReason reason, int packets, long bytes)
    {
        Trace.Waiting(peer, reason, packets, bytes);
        Count(peer, reason, packets, bytes);
    }

    private void Count(Peer peer, DropReason reason, int packets, long bytes)
    {
        peer.Drops.Count(PeerDrops.Control, reason, packets, bytes);
        Trace.Drop(peer, reason, packets, bytes, PeerDrops.Control);
        _output.Dropped(reason, packets, bytes);
    }

    private void DropHandshake(Peer peer, DropReason reason)
    {
        EndHandshake(peer, reason);
        peer.Handshake.Clear();
    }

    // A handshake of ours that is under way ends without a session.
    private void EndHandshake(Peer peer, DropReason reason)
    {
        if (peer.HandshakeIndex is { } index)
        {
            Indices.Remove(index);
            peer.HandshakeIndex = null;
            Trace.HandshakeEnded(peer, reason);
            Drop(peer, reason, 1, 0);
        }
    }

    // Called under a peer's lock, by control threads and workers alike: only marks and queues.
    private void Discard(Keypair keypair)
    {
        if (keypair.TryRetire())
        {
            Trace.SessionEnded(keypair, Now());
            _retired.Enqueue(keypair);
            _output.Wake();
        }
    }

    // The keys of a session that left the index table are wiped when no worker can still be sealing with them.
    private void RetireDiscarded()
    {
        while (_retired.TryDequeue(out Keypair? keypair))
        {
            Indices.Remove(keypair.LocalIndex);
            Quiescence.Retire(() =>
            {
                _arena.Return(keypair.SendKey);
                _arena.Return(keypair.ReceiveKey);
            });
        }
    }

    private long UnixNanoseconds() => (_wallClock.GetUtcNow().UtcTicks - DateTime.UnixEpoch.Ticks) * 100;
}
