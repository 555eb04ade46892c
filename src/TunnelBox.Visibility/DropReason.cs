namespace TunnelBox.Visibility;

/// <summary>
/// Every way in which a packet or a handshake message can end other than delivered. Where <c>/proc/net/xfrm_stat</c> has
/// a counter of the same meaning, the name is the kernel's (Linux, Documentation/networking/xfrm/xfrm_proc.rst).
/// </summary>
public enum DropReason : byte
{
    /// <summary>Not dropped.</summary>
    None = 0,

    /// <summary>In: the datagram is shorter than its message type, or a data message is shorter than its header and tag.</summary>
    InHdrError,

    /// <summary>In: the first four bytes name no WireGuard message.</summary>
    InMessageType,

    /// <summary>In: no session has this receiver index.</summary>
    InNoStates,

    /// <summary>In: the authentication tag is wrong.</summary>
    InStateProtoError,

    /// <summary>In: the counter was seen before, or is older than the replay window.</summary>
    InStateSeqError,

    /// <summary>In: the session is older than REJECT_AFTER_TIME or used up its counters.</summary>
    InStateExpired,

    /// <summary>In: the decrypted bytes are no IPv4 or IPv6 packet, or claim to be longer than they are.</summary>
    InInnerHdrError,

    /// <summary>In: the inner source address belongs to no peer or to another peer's allowed IPs.</summary>
    InTmplMismatch,

    /// <summary>In: outer congestion mark on an inner packet that cannot carry it (RFC 6040, section 4.2).</summary>
    InEcnInvalid,

    /// <summary>In: the inner port refused the packet.</summary>
    InPortError,

    /// <summary>In: no room in the inner port.</summary>
    InNoQueueSpace,

    /// <summary>In: the datagram was larger than any buffer, so it arrived cut.</summary>
    InTruncated,

    /// <summary>In: no private key is set, so no handshake message can be checked.</summary>
    InHandshakeNoKey,

    /// <summary>In: the handshake message's mac1 is wrong.</summary>
    InHandshakeMac1,

    /// <summary>In: under load and without a valid mac2, so a cookie was sent instead.</summary>
    InHandshakeCookieSent,

    /// <summary>In: under load, mac2 right, but the source exceeds its handshake rate.</summary>
    InHandshakeRateLimited,

    /// <summary>In: the peer starts more than 50 handshakes a second.</summary>
    InHandshakePeerFlood,

    /// <summary>In: the queue to the handshake thread is full.</summary>
    InHandshakeQueueFull,

    /// <summary>In: the initiation does not decrypt with our key.</summary>
    InHandshakeInvalid,

    /// <summary>In: the initiation comes from a public key that is no peer of ours.</summary>
    InHandshakeUnknownPeer,

    /// <summary>In: the initiation's time stamp is not newer than the last one accepted.</summary>
    InHandshakeReplay,

    /// <summary>In: a response to no initiation of ours, or one that does not decrypt.</summary>
    InHandshakeResponseInvalid,

    /// <summary>In: a cookie reply to no message of ours, or one that does not decrypt.</summary>
    InHandshakeCookieInvalid,

    /// <summary>In: the frame's Ethernet, IP or UDP header contradicts itself (AF_XDP alone: the kernel checks its own).</summary>
    InOuterHdrError,

    /// <summary>In: under load, an initiation beyond the budget of all that have not proved their address.</summary>
    InHandshakeFlood,

    /// <summary>In: AF_XDP had no free frame to receive into.</summary>
    InXdpNoFrame,

    /// <summary>In: AF_XDP refused the frame: it does not fit into a chunk.</summary>
    InXdpRefused,

    /// <summary>In: AF_XDP's RX ring was full.</summary>
    InXdpRingFull,

    /// <summary>In: the packet's hops are used up (TTL, hop limit); its sender was told.</summary>
    InHopLimit,

    /// <summary>In: the packet is larger than the local network takes and must not be broken up; its sender was told.</summary>
    InPacketTooBig,

    /// <summary>In: an invalid entry in the TX ring of AF_XDP on the inner side.</summary>
    InXdpBadDescriptor,

    /// <summary>In: the kernel could not give the frame to the AF_XDP socket that the program chose.</summary>
    InXdpRedirectFailed,

    /// <summary>In: the device of the inner side threw the frame away that AF_XDP gave it.</summary>
    InXdpNotSent,

    /// <summary>In: an AF_XDP frame in several chunks whose end is missing, or which is too large.</summary>
    InXdpBadChain,

    /// <summary>Out: the inner bytes are no IPv4 or IPv6 packet.</summary>
    OutInnerHdrError,

    /// <summary>Out: the destination lies in no peer's allowed IPs.</summary>
    OutNoStates,

    /// <summary>Out: the peer has no known endpoint.</summary>
    OutNoEndpoint,

    /// <summary>Out: the queue of packets waiting for a handshake is full; the oldest packet left.</summary>
    OutNoQueueSpace,

    /// <summary>Out: the handshake was given up after 90 s, and with it the packets that waited.</summary>
    OutHandshakeTimeout,

    /// <summary>Out: a handshake cannot begin, because the peer has no known endpoint.</summary>
    OutHandshakeNoEndpoint,

    /// <summary>Out: no handshake message can be made for the peer's public key.</summary>
    OutHandshakeKeyInvalid,

    /// <summary>Out: an initiation got no answer in time; another one takes its place.</summary>
    OutHandshakeNoAnswer,

    /// <summary>Out: a handshake of ours gave way to the peer's own.</summary>
    OutHandshakeSuperseded,

    /// <summary>Out: a handshake was given up after 90 s without an answer.</summary>
    OutHandshakeGivenUp,

    /// <summary>Out: a handshake was under way when all sessions with the peer ended.</summary>
    OutHandshakeAbandoned,

    /// <summary>Out: the session used up its counters or its time.</summary>
    OutStateExpired,

    /// <summary>Out: the peer was removed while the packet waited.</summary>
    OutPeerRemoved,

    /// <summary>Out: the kernel refused the datagram: no route, or the network is down.</summary>
    OutNoRoute,

    /// <summary>Out: a firewall of this machine forbids the datagram.</summary>
    OutFirewall,

    /// <summary>Out: the datagram is larger than the path allows.</summary>
    OutMessageTooLarge,

    /// <summary>Out: the outer port failed otherwise.</summary>
    OutPortError,

    /// <summary>Out: a GSO packet from the inner port contradicts its own header.</summary>
    OutOffloadInvalid,

    /// <summary>Out: the packet carries a message that the same session has just sealed: the tunnel is routed into itself.</summary>
    OutRoutingLoop,

    /// <summary>Out: an invalid entry in AF_XDP's TX ring.</summary>
    OutXdpBadDescriptor,

    /// <summary>Out: the packet's hops are used up (TTL, hop limit); its sender was told.</summary>
    OutHopLimit,

    /// <summary>Out: the packet is larger than the tunnel takes and must not be broken up; its sender was told.</summary>
    OutPacketTooBig,

    /// <summary>Out: AF_XDP on the inner side had no free frame to receive into.</summary>
    OutXdpNoFrame,

    /// <summary>Out: AF_XDP on the inner side refused the frame: it does not fit into a chunk.</summary>
    OutXdpRefused,

    /// <summary>Out: AF_XDP's RX ring on the inner side was full.</summary>
    OutXdpRingFull,

    /// <summary>Out: the device threw the frame away that AF_XDP gave it.</summary>
    OutXdpNotSent,

    /// <summary>Out: the kernel could not give the frame to the AF_XDP socket that the program of the inner side chose.</summary>
    OutXdpRedirectFailed,

    /// <summary>Out: an AF_XDP frame of the inner side in several chunks whose end is missing, or which is too large.</summary>
    OutXdpBadChain,

    /// <summary>Out: the interface is down, so no port is open.</summary>
    OutInterfaceDown,
}
