namespace TunnelBox.Protocol;

/// <summary>
/// Every constant of the protocol (WireGuard paper, sections 5.4, 6 and 6.1, and the Linux implementation where the paper
/// is silent). Times are nanoseconds of the monotonic clock that also counts suspend.
/// </summary>
public static class Limits
{
    /// <summary>One second in the unit of all times.</summary>
    public const long Second = 1_000_000_000;

    /// <summary>One millisecond in the unit of all times.</summary>
    public const long Millisecond = 1_000_000;

    /// <summary>REKEY_AFTER_MESSAGES: messages sent with one key after which a new handshake starts.</summary>
    public const ulong RekeyAfterMessages = 1UL << 60;

    /// <summary>REJECT_AFTER_MESSAGES: counters from here on are never sent and never accepted.</summary>
    public const ulong RejectAfterMessages = ulong.MaxValue - (1UL << 13);

    /// <summary>REKEY_AFTER_TIME: age of a key at which its initiator starts a new handshake when it sends.</summary>
    public const long RekeyAfterTime = 120 * Second;

    /// <summary>REJECT_AFTER_TIME: age at which a key is no longer used.</summary>
    public const long RejectAfterTime = 180 * Second;

    /// <summary>Age of a key at which its initiator starts a new handshake when it receives: just in time before rejection.</summary>
    public const long RekeyAfterTimeReceiving = RejectAfterTime - KeepaliveTimeout - RekeyTimeout;

    /// <summary>REKEY_ATTEMPT_TIME: how long a handshake is tried before the peer is given up.</summary>
    public const long RekeyAttemptTime = 90 * Second;

    /// <summary>REKEY_TIMEOUT: time between two initiations to one peer.</summary>
    public const long RekeyTimeout = 5 * Second;

    /// <summary>Largest random addition to <see cref="RekeyTimeout"/> on a retry.</summary>
    public const long RekeyTimeoutJitter = Second / 3;

    /// <summary>Largest number of retries of one handshake: as many as fit <see cref="RekeyAttemptTime"/>.</summary>
    public const int HandshakeRetries = (int)(RekeyAttemptTime / RekeyTimeout);

    /// <summary>KEEPALIVE_TIMEOUT: silence after received data that is answered by an empty packet.</summary>
    public const long KeepaliveTimeout = 10 * Second;

    /// <summary>Silence after sent data that starts a new handshake, since the peer should have answered or kept alive.</summary>
    public const long NewHandshakeTimeout = KeepaliveTimeout + RekeyTimeout;

    /// <summary>Time after the last handshake at which every secret of a peer's sessions is erased.</summary>
    public const long ZeroKeysAfterTime = 3 * RejectAfterTime;

    /// <summary>Time after which the secret behind cookies changes.</summary>
    public const long CookieSecretLifetime = 120 * Second;

    /// <summary>Time for which a received cookie is used: its lifetime less the latency it may have had on the way.</summary>
    public const long CookieLifetime = CookieSecretLifetime - (5 * Second);

    /// <summary>Shortest time between two initiations accepted from one peer: 50 a second.</summary>
    public const long InitiationInterval = Second / 50;

    /// <summary>Packets that wait for a peer's handshake.</summary>
    public const int StagedPackets = 128;

    /// <summary>Peers of one device.</summary>
    public const int MaxPeers = 1 << 20;

    /// <summary>Handshake messages that wait for the handshake threads.</summary>
    public const int HandshakeQueueLength = 4096;

    /// <summary>Waiting handshake messages from which on the device is under load.</summary>
    public const int UnderLoadQueueLength = HandshakeQueueLength / 8;

    /// <summary>Time for which the device stays under load after the queue was last that long.</summary>
    public const long UnderLoadHold = Second;

    /// <summary>Handshake messages a second of one proven source, while under load.</summary>
    public const int SourceRate = 20;

    /// <summary>Handshake messages of one proven source at once, while under load.</summary>
    public const int SourceBurst = 5;

    /// <summary>Bits of an IPv4 address that make one source.</summary>
    public const int SourcePrefixIPv4 = 32;

    /// <summary>Bits of an IPv6 address that make one source.</summary>
    public const int SourcePrefixIPv6 = 64;

    /// <summary>Counters behind the newest that the replay window must still be able to accept.</summary>
    public const int ReplayWindowSize = 8128;

    /// <summary>Multiple to which packets are padded before they are sealed, as far as the MTU allows.</summary>
    public const int PaddingMultiple = 16;

    /// <summary>Gives the size to which a packet is padded: the next multiple of 16, but not above the MTU.</summary>
    /// <param name="length">Bytes of the packet, at least 0.</param>
    /// <param name="mtu">The inner interface's MTU, or 0 where it is unknown.</param>
    /// <returns>Bytes of plaintext to seal.</returns>
    public static int GetPaddedLength(int length, int mtu)
    {
        int padded = (length + PaddingMultiple - 1) & ~(PaddingMultiple - 1);
        // A packet larger than the MTU was built before the MTU shrank; it keeps its size.
        return mtu == 0 ? padded : Math.Max(length, Math.Min(padded, mtu));
    }
}
