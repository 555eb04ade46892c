using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <content>Ticks: wishes of workers, deadlines of peers, and the wiping of keys nobody uses any more.</content>
public sealed partial class Tunnel
{
    /// <summary>Longest time between two ticks while any timer runs, in nanoseconds.</summary>
    public const long TickInterval = Limits.Second / 10;

    /// <summary>Does what is due.</summary>
    /// <returns>Whether timers run, so that the next tick is due after <see cref="TickInterval"/>; otherwise only after <see cref="ITunnelOutput.Wake"/>.</returns>
    public bool Tick()
    {
        lock (_gate)
        {
            long now = Now();
            if (WasSuspended(now))
            {
                DropAllSessions();
            }

            while (_wishes.TryDequeue(out Peer? peer))
            {
                peer.TookHandshakeWish();
                if (peer.Timers.Retransmit != 0)
                {
                    // Traffic asks in the moment between REKEY_TIMEOUT and the retry, which waits a random third of a second more.
                    TryElsewhere(peer, now);
                }

                Initiate(peer, now, isRetry: false);
            }

            while (_activated.TryDequeue(out Peer? peer))
            {
                _active.Add(peer);
            }

            for (int i = _active.Count - 1; i >= 0; i--)
            {
                Peer peer = _active[i];
                Expire(peer, now);
                if (!peer.Timers.AnyRunning && peer.TryDeactivate())
                {
                    _active[i] = _active[^1];
                    _active.RemoveAt(_active.Count - 1);
                }
            }

            RetireDiscarded();
            Indices.Observer?.Flush();
            return Quiescence.Collect() > 0 || _active.Count > 0;
        }
    }

    // The tunnel's clock counts suspend, the monotonic clock does not: what one gained on the other was slept.
    private bool WasSuspended(long now)
    {
        long slept = now - (_wallClock.GetElapsedTime(0, _wallClock.GetTimestamp()).Ticks * 100);
        long before = _slept;
        _slept = slept;
        return before != long.MinValue && slept - before > Limits.Second;
    }

    private void Activate(Peer peer)
    {
        if (peer.TryActivate())
        {
            _active.Add(peer);
        }
    }

    private void Expire(Peer peer, long now)
    {
        Timers timers = peer.Timers;
        if (IsDue(timers.Retransmit, now))
        {
            timers.Retransmit = 0;
            Retransmit(peer, now);
        }

        if (IsDue(timers.Keepalive, now))
        {
            timers.Keepalive = timers.TakeNeedAnotherKeepalive() ? now + Limits.KeepaliveTimeout : 0;
            _output.Flush(peer, keepalive: true);
        }

        if (IsDue(timers.NewHandshake, now))
        {
            timers.NewHandshake = 0;
            peer.ClearSource();
            _output.Event(peer, TunnelEvent.PeerSilent);
            Initiate(peer, now, isRetry: false);
        }

        if (IsDue(timers.Persistent, now))
        {
            timers.Persistent = 0;
            _output.Flush(peer, keepalive: true);
        }

        if (IsDue(timers.ZeroKeys, now))
        {
            timers.ZeroKeys = 0;
            peer.DiscardSessions(_discard);
            DropHandshake(peer, DropReason.OutHandshakeAbandoned);
            _output.Event(peer, TunnelEvent.KeysErased);
        }
    }

    private void Retransmit(Peer peer, long now)
    {
        Timers timers = peer.Timers;
        if (timers.HandshakeAttempts >= Limits.HandshakeRetries)
        {
            timers.Keepalive = 0;
            DropStaged(peer, DropReason.OutHandshakeTimeout);
            DropHandshake(peer, DropReason.OutHandshakeGivenUp);
            // A session that is left may still be wiped in time, even if no further handshake succeeds.
            if (timers.ZeroKeys == 0)
            {
                timers.SessionDerived(now);
            }

            _output.Event(peer, TunnelEvent.HandshakeGivenUp);
            return;
        }

        timers.HandshakeAttempts++;
        peer.ClearSource();
        TryElsewhere(peer, now);
        Initiate(peer, now, isRetry: true);
    }

    private void TryElsewhere(Peer peer, long now)
    {
        // A lost message is no reason to leave an address at which the peer was alive a moment ago.
        bool heardLately = peer.LastReceived != 0 && now - peer.LastReceived <= Limits.NewHandshakeTimeout;
        if (!heardLately && _output.NextEndpoint(peer) is { } next && (peer.Endpoint is not { } known || known.Remote != next))
        {
            peer.SetEndpoint(next);
            Trace.EndpointChanged(peer);
        }
    }

    private static bool IsDue(long deadline, long now) => deadline != 0 && now >= deadline;
}
