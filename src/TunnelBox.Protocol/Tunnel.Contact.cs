namespace TunnelBox.Protocol;

/// <content>What is asked of peers on behalf of people.</content>
public sealed partial class Tunnel
{
    /// <summary>Tells when a peer was last heard and asked.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The ages.</returns>
    public PeerContact ContactOf(Peer peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            long now = Now();
            long received = peer.LastReceived;
            long asked = peer.Timers.LastInitiation;
            bool everAsked = asked != long.MinValue;
            // Traffic may begin a new try just when the last is due, so the age of the first one counts.
            long since = peer.AskedSince;
            bool unanswered = everAsked && since > received && (peer.Timers.HandshakeAttempts > 0 || now - since > Limits.RekeyTimeout);
            long dueAt = peer.Timers.NewHandshake;
            return new PeerContact(received == 0 ? null : Math.Max(now - received, 0), everAsked ? now - asked : null, unanswered)
            {
                DataUnansweredFor = dueAt == 0 ? null : Math.Max(now - (dueAt - Limits.NewHandshakeTimeout - peer.Timers.Jitter), 0),
                UnusedResponses = peer.UnusedResponses,
            };
        }
    }

    /// <summary>Describes the session that seals packets to a peer.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The session, or null where there is none.</returns>
    public PeerSession? SessionOf(Peer peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        long now = Now();
        return peer.Current is { } session
            ? new PeerSession(session.LocalIndex, session.RemoteIndex, session.IsInitiator, now - session.Created, session.SentPackets, session.CanSend(now))
            : null;
    }

    /// <summary>Begins a handshake now, where the protocol allows one: at most one in REKEY_TIMEOUT.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="begun">Receives the wall clock's Unix time of its begin, in nanoseconds; <see cref="Peer.LastHandshake"/> is later once it is complete.</param>
    /// <param name="wait">Receives the nanoseconds until one is allowed, when the answer is <see cref="HandshakeStart.TooSoon"/>.</param>
    /// <returns>Whether it has begun, or why not.</returns>
    public HandshakeStart BeginHandshake(Peer peer, out long begun, out long wait)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            long now = Now();
            begun = UnixNanoseconds();
            long last = peer.Timers.LastInitiation;
            wait = last == long.MinValue ? 0 : Math.Max(Limits.RekeyTimeout - (now - last), 0);
            if (peer.IsRemoved || _identity is null || _stamps is null)
            {
                return HandshakeStart.NoKey;
            }

            if (peer.Endpoint is null)
            {
                return HandshakeStart.NoEndpoint;
            }

            if (wait > 0)
            {
                return HandshakeStart.TooSoon;
            }

            Initiate(peer, now, isRetry: false);
        }

        // Its retry is a timer, and the thread that looks at timers may be asleep.
        _output.Wake();
        return HandshakeStart.Begun;
    }
}

/// <summary>What became of the wish for a handshake.</summary>
public enum HandshakeStart
{
    /// <summary>It has begun.</summary>
    Begun,

    /// <summary>One was begun less than REKEY_TIMEOUT ago.</summary>
    TooSoon,

    /// <summary>Nobody knows where the peer is.</summary>
    NoEndpoint,

    /// <summary>The tunnel has no private key, or the peer has left.</summary>
    NoKey,
}
