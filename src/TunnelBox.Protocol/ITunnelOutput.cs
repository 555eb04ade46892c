using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <summary>What a <see cref="Tunnel"/> asks of the world around it. All calls come from the thread that called the tunnel.</summary>
public interface ITunnelOutput
{
    /// <summary>Sends a handshake message or cookie reply.</summary>
    /// <param name="datagram">The bytes; valid during the call only.</param>
    /// <param name="endpoint">Where to.</param>
    /// <returns><see cref="DropReason.None"/>, or why it could not be sent; the caller counts it.</returns>
    DropReason SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint);

    /// <summary>Has a worker send what waits for a peer, and where nothing waits and it is asked for, a keepalive.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="keepalive">Whether an empty packet is to be sent when nothing waits.</param>
    void Flush(Peer peer, bool keepalive);

    /// <summary>Wakes whoever calls <see cref="Tunnel.Tick"/>, because a worker has left it something to do.</summary>
    void Wake();

    /// <summary>Counts drops that happen outside a burst.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="packets">How many packets, or handshakes that ended.</param>
    /// <param name="bytes">Their bytes; 0 for a handshake.</param>
    void Dropped(DropReason reason, int packets, long bytes);

    /// <summary>
    /// A handshake got no answer within REKEY_TIMEOUT from a peer that was not heard lately either, and is about to be tried
    /// again: asks whether elsewhere. Called under the tunnel's lock.
    /// </summary>
    /// <param name="peer">The peer.</param>
    /// <returns>Where to try next, or null to stay.</returns>
    EndpointAddress? NextEndpoint(Peer peer) => null;

    /// <summary>Tells of a handshake's or session's progress, for the log.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="tunnelEvent">What happened.</param>
    void Event(Peer peer, TunnelEvent tunnelEvent);
}

/// <summary>What can happen to a peer's handshake and sessions.</summary>
public enum TunnelEvent
{
    /// <summary>An initiation was sent.</summary>
    InitiationSent,

    /// <summary>An initiation was sent again, because no response came in time.</summary>
    InitiationRetried,

    /// <summary>No response came for 90 s; nothing more is sent until there is traffic.</summary>
    HandshakeGivenUp,

    /// <summary>A valid initiation arrived, and a response was sent.</summary>
    ResponseSent,

    /// <summary>A valid response arrived.</summary>
    ResponseReceived,

    /// <summary>The session is in use.</summary>
    SessionEstablished,

    /// <summary>Data was sent and nothing came back for 15 s.</summary>
    PeerSilent,

    /// <summary>The peer asked for a cookie.</summary>
    CookieReceived,

    /// <summary>The keys were erased, because no new session came for 9 minutes.</summary>
    KeysErased,

    /// <summary>The peer has no endpoint, so no handshake can begin.</summary>
    NoEndpoint,
}
