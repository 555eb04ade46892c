namespace TunnelBox.Protocol;

/// <summary>
/// The five timers of one peer (WireGuard paper, section 6; Linux drivers/net/wireguard/timers.c), as deadlines in
/// nanoseconds of the tunnel's clock, 0 for "not running":
/// <list type="bullet">
/// <item>retransmit: an initiation got no response within REKEY_TIMEOUT;</item>
/// <item>keepalive: data arrived and nothing was sent back for KEEPALIVE_TIMEOUT;</item>
/// <item>new handshake: data was sent and nothing came back for KEEPALIVE_TIMEOUT + REKEY_TIMEOUT;</item>
/// <item>zero keys: no new session for 3 × REJECT_AFTER_TIME;</item>
/// <item>persistent keepalive: nothing at all passed for the configured interval.</item>
/// </list>
/// Workers set and clear deadlines with plain writes; the tunnel looks at them when it ticks. A lost race costs one early
/// or late control packet, never a wrong one.
/// </summary>
public sealed class Timers
{
    private long _retransmit;
    private long _keepalive;
    private long _newHandshake;
    private long _zeroKeys;
    private long _persistent;
    private int _needAnotherKeepalive;
    private long _persistentInterval;

    /// <summary>Gets or sets the random delay added to handshake deadlines, in nanoseconds; renewed with every handshake.</summary>
    internal long Jitter { get; set; }

    /// <summary>Gets or sets initiations sent since the last success, beyond the first.</summary>
    internal int HandshakeAttempts { get; set; }

    /// <summary>Gets or sets when the last initiation was sent; <see cref="long.MinValue"/> for never.</summary>
    internal long LastInitiation { get; set; } = long.MinValue;

    /// <summary>Gets or sets a value indicating whether the session's last-minute renewal was already asked for.</summary>
    internal bool SentLastMinuteHandshake { get; set; }

    /// <summary>Gets or sets the interval of persistent keepalives in nanoseconds, 0 for off.</summary>
    internal long PersistentInterval
    {
        get => Volatile.Read(ref _persistentInterval);
        set
        {
            Volatile.Write(ref _persistentInterval, value);
            if (value == 0)
            {
                Volatile.Write(ref _persistent, 0);
            }
        }
    }

    /// <summary>Gets when no initiation was answered in time.</summary>
    internal long Retransmit
    {
        get => Volatile.Read(ref _retransmit);
        set => Volatile.Write(ref _retransmit, value);
    }

    /// <summary>Gets when a passive keepalive is due.</summary>
    internal long Keepalive
    {
        get => Volatile.Read(ref _keepalive);
        set => Volatile.Write(ref _keepalive, value);
    }

    /// <summary>Gets when silence of the peer calls for a new handshake.</summary>
    internal long NewHandshake
    {
        get => Volatile.Read(ref _newHandshake);
        set => Volatile.Write(ref _newHandshake, value);
    }

    /// <summary>Gets when the keys are erased.</summary>
    internal long ZeroKeys
    {
        get => Volatile.Read(ref _zeroKeys);
        set => Volatile.Write(ref _zeroKeys, value);
    }

    /// <summary>Gets when a persistent keepalive is due.</summary>
    internal long Persistent
    {
        get => Volatile.Read(ref _persistent);
        set => Volatile.Write(ref _persistent, value);
    }

    /// <summary>Gets a value indicating whether any timer runs.</summary>
    internal bool AnyRunning => (Retransmit | Keepalive | NewHandshake | ZeroKeys | Persistent) != 0;

    /// <summary>Data (not a keepalive) was sealed and sent.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void DataSent(long now)
    {
        if (NewHandshake == 0)
        {
            NewHandshake = now + Limits.KeepaliveTimeout + Limits.RekeyTimeout + Jitter;
        }
    }

    /// <summary>Data (not a keepalive) was authenticated.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void DataReceived(long now)
    {
        if (Keepalive == 0)
        {
            Keepalive = now + Limits.KeepaliveTimeout;
        }
        else
        {
            Volatile.Write(ref _needAnotherKeepalive, 1);
        }
    }

    /// <summary>Any authenticated packet was sent: data, keepalive or handshake.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void AuthenticatedSent(long now)
    {
        if (Keepalive != 0)
        {
            Keepalive = 0;
        }

        Traversed(now);
    }

    /// <summary>Any authenticated packet was received: data, keepalive or handshake.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    public void AuthenticatedReceived(long now)
    {
        if (NewHandshake != 0)
        {
            NewHandshake = 0;
        }

        Traversed(now);
    }

    /// <summary>An initiation was sent.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <param name="jitter">The random part of this handshake's deadlines, in nanoseconds.</param>
    internal void InitiationSent(long now, long jitter)
    {
        Jitter = jitter;
        LastInitiation = now;
        Retransmit = now + Limits.RekeyTimeout + jitter;
    }

    /// <summary>The handshake succeeded, and the peer proved it.</summary>
    internal void HandshakeComplete()
    {
        Retransmit = 0;
        HandshakeAttempts = 0;
        SentLastMinuteHandshake = false;
    }

    /// <summary>A new session exists, confirmed or not.</summary>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    internal void SessionDerived(long now) => ZeroKeys = now + (3 * Limits.RejectAfterTime);

    /// <summary>Takes the mark that data arrived while a keepalive was already due.</summary>
    /// <returns>Whether the keepalive timer has to start again.</returns>
    internal bool TakeNeedAnotherKeepalive() => Interlocked.Exchange(ref _needAnotherKeepalive, 0) != 0;

    /// <summary>Stops everything.</summary>
    internal void Stop()
    {
        Retransmit = 0;
        Keepalive = 0;
        NewHandshake = 0;
        ZeroKeys = 0;
        Persistent = 0;
        Volatile.Write(ref _needAnotherKeepalive, 0);
        HandshakeAttempts = 0;
        SentLastMinuteHandshake = false;
        LastInitiation = long.MinValue;
    }

    private void Traversed(long now)
    {
        long interval = PersistentInterval;
        if (interval != 0)
        {
            Persistent = now + interval;
        }
    }
}
