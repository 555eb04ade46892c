using TunnelBox.Crypto;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <summary>
/// One peer: its sessions, its handshake, where it is, and what waits for it. Configuration and handshakes happen under
/// the tunnel's lock; workers read sessions and endpoint as single references.
/// </summary>
public sealed class Peer : IndexOwner
{
    private readonly Lock _sessions = new();
    private Keypair? _current;
    private Keypair? _previous;
    private Keypair? _next;
    private Endpoint? _endpoint;
    private Endpoint? _written;
    private PeerDrops _drops;
    private long _receivedPackets;
    private long _receivedBytes;
    private long _sentPackets;
    private long _sentBytes;
    private long _lastHandshake;
    private long _roundTrip;
    private long _lastReceived;
    private int _handshakeWanted;
    private int _active;
    private int _removed;
    private int _owner = -1;

    internal Peer(PublicKey publicKey, Handshake handshake, ulong sequence)
    {
        PublicKey = publicKey;
        Handshake = handshake;
        Sequence = sequence;
    }

    /// <summary>Gets the peer's static public key: its name.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>Gets the place of the peer in the order in which peers were added.</summary>
    public ulong Sequence { get; }

    /// <summary>Gets or sets the worker that owns the peer, as the data path has dealt it; −1 for none so far.</summary>
    public int Owner
    {
        get => Volatile.Read(ref _owner);
        set => Volatile.Write(ref _owner, value);
    }

    /// <summary>Gets the peer's timers.</summary>
    public Timers Timers { get; } = new();

    /// <summary>Gets a value indicating whether the peer is somewhere else than configuration says: it was learned from its packets.</summary>
    public bool HasLearnedEndpoint => Endpoint is { } known && Volatile.Read(ref _written)?.Remote != known.Remote;

    /// <summary>Gets the packets that wait for a session.</summary>
    public StagedQueue Staged { get; } = new();

    /// <summary>Gets the session that seals, or null.</summary>
    public Keypair? Current => Volatile.Read(ref _current);

    /// <summary>Gets where the peer is, or null while unknown.</summary>
    public Endpoint? Endpoint => Volatile.Read(ref _endpoint);

    /// <summary>Gets what was dropped of this peer's packets and handshakes, by reason.</summary>
    public ref PeerDrops Drops => ref _drops;

    /// <summary>Gets packets received and authenticated: data, keepalives and handshake messages.</summary>
    public long ReceivedPackets => Volatile.Read(ref _receivedPackets);

    /// <summary>Gets packets sent: data, keepalives and handshake messages.</summary>
    public long SentPackets => Volatile.Read(ref _sentPackets);

    /// <summary>Gets outer payload bytes received and authenticated.</summary>
    public long ReceivedBytes => Volatile.Read(ref _receivedBytes);

    /// <summary>Gets outer payload bytes sent.</summary>
    public long SentBytes => Volatile.Read(ref _sentBytes);

    /// <summary>Gets Unix time of the last completed handshake in nanoseconds, 0 for never.</summary>
    public long LastHandshake => Volatile.Read(ref _lastHandshake);

    /// <summary>Gets the nanoseconds from our last initiation to its response, 0 where there was none.</summary>
    public long RoundTrip
    {
        get => Volatile.Read(ref _roundTrip);
        internal set => Volatile.Write(ref _roundTrip, value);
    }

    /// <summary>Gets when the last authenticated packet arrived, in nanoseconds of the tunnel's clock, 0 for never.</summary>
    public long LastReceived => Volatile.Read(ref _lastReceived);

    /// <summary>Gets seconds between persistent keepalives, 0 for off.</summary>
    public ushort PersistentKeepalive => (ushort)(Timers.PersistentInterval / Limits.Second);

    /// <summary>Gets a value indicating whether the peer was removed from its tunnel.</summary>
    public bool IsRemoved => Volatile.Read(ref _removed) != 0;

    /// <summary>Gets or sets when the first initiation left that nothing authenticated has followed, in nanoseconds of the tunnel's clock; 0 for never.</summary>
    internal long AskedSince { get; set; }

    /// <summary>Gets or sets the answers given to the peer's initiations since a session with it was last known to work.</summary>
    internal int UnusedResponses { get; set; }

    /// <summary>Gets a value indicating whether an endpoint was ever set, so that where the peer is was not only learned from it; under the tunnel's lock.</summary>
    internal bool HasConfiguredEndpoint { get; private set; }

    /// <summary>Gets the handshake in progress; under the tunnel's lock.</summary>
    internal Handshake Handshake { get; }

    /// <summary>Gets the cookies that the peer gave us; under the tunnel's lock, made at first need.</summary>
    internal CookieJar? Cookies { get; set; }

    /// <summary>Gets or sets the receiver index of the handshake in progress, or null; under the tunnel's lock.</summary>
    internal uint? HandshakeIndex { get; set; }

    /// <summary>Counts an authenticated packet group that arrived.</summary>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Outer payload bytes.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void AddReceived(long packets, long bytes, long now)
    {
        Interlocked.Add(ref _receivedPackets, packets);
        Interlocked.Add(ref _receivedBytes, bytes);
        Volatile.Write(ref _lastReceived, now);
    }

    /// <summary>Counts a packet group that was sent.</summary>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Outer payload bytes.</param>
    public void AddSent(long packets, long bytes)
    {
        Interlocked.Add(ref _sentPackets, packets);
        Interlocked.Add(ref _sentBytes, bytes);
    }

    /// <summary>
    /// Notes where an authenticated packet came from: the peer roams to wherever it last proved to be.
    /// </summary>
    /// <param name="from">The outer source.</param>
    /// <param name="to">The local address it arrived at.</param>
    /// <returns>Whether it was at another remote address before.</returns>
    public bool RoamTo(in EndpointAddress from, in SourceAddress to)
    {
        Endpoint? known = Volatile.Read(ref _endpoint);
        if (known is not null && known.Remote == from && known.Local == to)
        {
            return false;
        }

        Volatile.Write(ref _endpoint, new Endpoint(from, to));
        return known is null || known.Remote != from;
    }

    /// <summary>Tells whether any session may still open packets.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <returns>False where whatever arrives belongs to no session of this peer.</returns>
    public bool HasSession(long now) =>
        Sessions is var all && (all.Previous?.CanReceive(now) == true || all.Current?.CanReceive(now) == true || all.Next?.CanReceive(now) == true);

    /// <summary>Tells whether a session is the one that still waits for the peer's first packet.</summary>
    /// <param name="keypair">The session that just opened a packet.</param>
    /// <returns>True for the unconfirmed session: call <see cref="Tunnel.Confirm"/>.</returns>
    public bool IsUnconfirmed(Keypair keypair) => ReferenceEquals(Volatile.Read(ref _next), keypair);

    /// <summary>Sets the endpoint from configuration.</summary>
    /// <param name="remote">The peer's address.</param>
    internal void SetEndpoint(in EndpointAddress remote)
    {
        HasConfiguredEndpoint = true;
        Endpoint written = new(remote, default);
        Volatile.Write(ref _written, written);
        Volatile.Write(ref _endpoint, written);
    }

    /// <summary>Forgets the sticky source, so that the kernel chooses anew: after silence the old path is suspect.</summary>
    internal void ClearSource()
    {
        if (Endpoint is { } known && known.Local != default)
        {
            Volatile.Write(ref _endpoint, new Endpoint(known.Remote, default));
        }
    }

    /// <summary>Takes up a session that a handshake just made.</summary>
    /// <param name="made">The new session.</param>
    /// <param name="discard">Is told which sessions are no longer needed.</param>
    internal void Install(Keypair made, Action<Keypair> discard)
    {
        lock (_sessions)
        {
            if (made.IsInitiator)
            {
                // The response proves that the peer has the keys: the session can be used at once. A session that still
                // waits for confirmation becomes the previous one, since the peer may be sending with it already.
                Keypair? demoted = _next ?? _current;
                Discard(_next is null ? null : _current, discard);
                Discard(_previous, discard);
                _previous = demoted;
                Volatile.Write(ref _next, null);
                Volatile.Write(ref _current, made);
            }
            else
            {
                // As responder we may not send before the initiator's first packet confirms that it has the keys.
                Discard(_next, discard);
                Discard(_previous, discard);
                _previous = null;
                Volatile.Write(ref _next, made);
            }
        }
    }

    /// <summary>The peer's first packet arrived: the waiting session becomes the current one.</summary>
    /// <param name="keypair">The session that opened it.</param>
    /// <param name="discard">Is told which session is no longer needed.</param>
    /// <returns>False when another worker was first, or the session is gone.</returns>
    internal bool Promote(Keypair keypair, Action<Keypair> discard)
    {
        lock (_sessions)
        {
            if (!ReferenceEquals(_next, keypair))
            {
                return false;
            }

            Discard(_previous, discard);
            _previous = _current;
            Volatile.Write(ref _current, keypair);
            Volatile.Write(ref _next, null);
            return true;
        }
    }

    /// <summary>Gets the sessions: the one before, the one that seals, the one that waits for the peer's first packet.</summary>
    internal (Keypair? Previous, Keypair? Current, Keypair? Next) Sessions
    {
        get
        {
            lock (_sessions)
            {
                return (_previous, _current, _next);
            }
        }
    }

    /// <summary>Takes up sessions of the process before; there are none yet.</summary>
    /// <param name="previous">The one before.</param>
    /// <param name="current">The one that seals.</param>
    /// <param name="next">The one that waits for the peer's first packet.</param>
    internal void RestoreSessions(Keypair? previous, Keypair? current, Keypair? next)
    {
        lock (_sessions)
        {
            _previous = previous;
            Volatile.Write(ref _current, current);
            Volatile.Write(ref _next, next);
        }
    }

    /// <summary>Takes up where the peer was.</summary>
    /// <param name="remote">Its address.</param>
    /// <param name="local">Our side of the path.</param>
    /// <param name="learned">Whether that was learned from its packets.</param>
    /// <param name="configured">Whether an endpoint was ever set.</param>
    internal void RestoreEndpoint(in EndpointAddress remote, in SourceAddress local, bool learned, bool configured)
    {
        Endpoint found = new(remote, local);
        HasConfiguredEndpoint = configured;
        Volatile.Write(ref _written, learned ? null : found);
        Volatile.Write(ref _endpoint, found);
    }

    /// <summary>Takes up what was counted.</summary>
    internal void RestoreCounts(long receivedPackets, long receivedBytes, long sentPackets, long sentBytes, long lastHandshake, long lastReceived) =>
        (_receivedPackets, _receivedBytes, _sentPackets, _sentBytes, _lastHandshake, _lastReceived) =
            (receivedPackets, receivedBytes, sentPackets, sentBytes, lastHandshake, lastReceived);

    /// <summary>Gives up all sessions.</summary>
    /// <param name="discard">Is told each of them.</param>
    internal void DiscardSessions(Action<Keypair> discard)
    {
        lock (_sessions)
        {
            Discard(_previous, discard);
            Discard(_current, discard);
            Discard(_next, discard);
            _previous = null;
            Volatile.Write(ref _current, null);
            Volatile.Write(ref _next, null);
        }
    }

    /// <summary>Notes a completed handshake.</summary>
    /// <param name="unixNanoseconds">Wall clock time.</param>
    internal void HandshakeCompleted(long unixNanoseconds) => Volatile.Write(ref _lastHandshake, unixNanoseconds);

    /// <summary>Marks the peer as removed.</summary>
    internal void MarkRemoved() => Volatile.Write(ref _removed, 1);

    /// <summary>Asks for a handshake once, however many packets want one.</summary>
    /// <returns>True for the first to ask.</returns>
    internal bool TryWantHandshake() => Volatile.Read(ref _handshakeWanted) == 0 && Interlocked.Exchange(ref _handshakeWanted, 1) == 0;

    /// <summary>The wish was taken up.</summary>
    internal void TookHandshakeWish() => Volatile.Write(ref _handshakeWanted, 0);

    /// <summary>Marks the peer as one whose timers must be looked at.</summary>
    /// <returns>True when it was not marked before.</returns>
    internal bool TryActivate() => Volatile.Read(ref _active) == 0 && Interlocked.Exchange(ref _active, 1) == 0;

    /// <summary>Takes the mark away, unless a timer was started in the meantime.</summary>
    /// <returns>Whether the peer is idle now.</returns>
    internal bool TryDeactivate()
    {
        Interlocked.Exchange(ref _active, 0);
        return !Timers.AnyRunning || !TryActivate();
    }

    private static void Discard(Keypair? keypair, Action<Keypair> discard)
    {
        if (keypair is not null)
        {
            discard(keypair);
        }
    }
}
