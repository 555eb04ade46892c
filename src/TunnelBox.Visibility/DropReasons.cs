namespace TunnelBox.Visibility;

/// <summary>Which way a packet was going.</summary>
public enum PacketDirection : byte
{
    /// <summary>From the network towards us.</summary>
    In,

    /// <summary>From us towards the network.</summary>
    Out,
}

/// <summary>What a <see cref="DropReason"/> means, for people and exporters.</summary>
/// <param name="Reason">The reason.</param>
/// <param name="Direction">Which way the packet was going.</param>
/// <param name="Name">Its name, as in the enumeration.</param>
/// <param name="KernelName">The counter of <c>/proc/net/xfrm_stat</c> with the same meaning, or null.</param>
/// <param name="Meaning">One sentence: what happened.</param>
/// <param name="Remedy">One sentence: what to do about it.</param>
public sealed record DropReasonDescription(
    DropReason Reason,
    PacketDirection Direction,
    string Name,
    string? KernelName,
    string Meaning,
    string Remedy);

/// <summary>The registry of drop reasons: every reason but <see cref="DropReason.None"/> has a description.</summary>
public static class DropReasons
{
    /// <summary>One more than the highest reason: the length of an array indexed by reason.</summary>
    public const int Count = (int)DropReason.OutInterfaceDown + 1;

    private const string Exposed = "Nothing, if it is rare: the port is open to the world; a steady stream comes from a scanner or a broken peer.";

    private static readonly DropReasonDescription?[] s_descriptions = Build();

    /// <summary>Gets every description, in the order of the enumeration.</summary>
    public static IEnumerable<DropReasonDescription> All => s_descriptions.Where(d => d is not null)!;

    /// <summary>Describes a reason.</summary>
    /// <param name="reason">Any reason but <see cref="DropReason.None"/>.</param>
    /// <returns>Its description.</returns>
    /// <exception cref="ArgumentOutOfRangeException">It is <see cref="DropReason.None"/> or no reason at all.</exception>
    public static DropReasonDescription Describe(DropReason reason) =>
        ((uint)reason < Count ? s_descriptions[(int)reason] : null)
        ?? throw new ArgumentOutOfRangeException(nameof(reason), reason, "There is no such drop reason.");

    /// <summary>Whether only a device knows of such drops, so that no peer can be named.</summary>
    /// <param name="reason">A reason.</param>
    /// <returns>True for those of AF_XDP's rings and of the device behind them.</returns>
    public static bool IsOfDevice(DropReason reason) => reason is DropReason.InXdpNoFrame or DropReason.InXdpRefused or DropReason.InXdpRingFull
        or DropReason.InXdpBadDescriptor or DropReason.InXdpBadChain or DropReason.InXdpRedirectFailed or DropReason.InXdpNotSent or DropReason.OutXdpNoFrame or DropReason.OutXdpRefused
        or DropReason.OutXdpRingFull or DropReason.OutXdpBadDescriptor or DropReason.OutXdpBadChain or DropReason.OutXdpNotSent or DropReason.OutXdpRedirectFailed;

    private static DropReasonDescription?[] Build()
    {
        var all = new DropReasonDescription?[Count];

        void In(DropReason reason, string meaning, string remedy, bool kernel = false) =>
            Add(PacketDirection.In, reason, meaning, remedy, kernel);
        void Out(DropReason reason, string meaning, string remedy, bool kernel = false) =>
            Add(PacketDirection.Out, reason, meaning, remedy, kernel);
        void Add(PacketDirection direction, DropReason reason, string meaning, string remedy, bool kernel)
        {
            string name = reason.ToString();
            all[(int)reason] = new DropReasonDescription(reason, direction, name, kernel ? "Xfrm" + name : null, meaning, remedy);
        }

        In(DropReason.InHdrError, "The datagram is shorter than its message type asks for, or its data is not a multiple of 16 bytes.", Exposed, true);
        In(DropReason.InMessageType, "The first four bytes name no WireGuard message.", Exposed);
        In(
            DropReason.InNoStates,
            "No session has the receiver index of this packet.",
            "Wait for the next handshake: the peer still uses a session from before our start; check for two devices with one key if it goes on.",
            true);
        In(
            DropReason.InStateProtoError,
            "The authentication tag of the packet is wrong.",
            "Look for a network that changes UDP payloads; a forger cannot do more than cause this count.",
            true);
        In(
            DropReason.InStateSeqError,
            "The packet's counter was seen before, or lies more than 8,128 behind the newest.",
            "Look for a network that duplicates or badly reorders packets; a replayed capture looks the same.",
            true);
        In(
            DropReason.InStateExpired,
            "The session is older than 180 seconds or used up its counters.",
            "Check that handshakes with this peer complete: the newest one is too old.",
            true);
        In(
            DropReason.InInnerHdrError,
            "The decrypted bytes are no IPv4 or IPv6 packet, or claim to be longer than they are.",
            "Check the software of the peer: it sent these bytes with a valid key.");
        In(
            DropReason.InTmplMismatch,
            "The inner source address is not among this peer's allowed IPs, or a narrower prefix gives it to another peer.",
            "Add the source address to AllowedIPs of this peer, or correct the address that the peer uses.",
            true);
        In(
            DropReason.InEcnInvalid,
            "The outer packet was marked as congested, but the inner one cannot carry the mark (RFC 6040).",
            "Look for a router on the path that marks packets which did not offer it.");
        In(
            DropReason.InPortError,
            "The inner interface refused the packet.",
            "Check that the interface is up and its MTU is at least as large as the peer's.");
        In(
            DropReason.InNoQueueSpace,
            "The inner interface had no room for the packet.",
            "Give the interface a longer queue (txqueuelen), or find out why its reader is slow.");
        In(
            DropReason.InTruncated,
            "The datagram was larger than any buffer, so it arrived cut.",
            "Lower the peer's MTU: no WireGuard datagram needs to be that large.");
        In(
            DropReason.InHandshakeNoKey,
            "A handshake message arrived while no private key is set.",
            "Set PrivateKey, or remove our endpoint from the sender's configuration.");
        In(
            DropReason.InHandshakeMac1,
            "The handshake message's mac1 is wrong, so its sender does not know our public key.",
            "Compare our public key with the one in the peer's configuration; otherwise it is a scanner.");
        In(
            DropReason.InHandshakeCookieSent,
            "We are under load and the message had no valid mac2, so the sender got a cookie to try again with.",
            "Nothing, if the peer connects with its next message; otherwise look for a flood of handshakes.");
        In(
            DropReason.InHandshakeRateLimited,
            "We are under load and the source sends more than 20 handshake messages a second.",
            "Check what runs at that address; many peers behind one address translator share its limit.");
        In(
            DropReason.InHandshakePeerFlood,
            "The peer starts more than 50 handshakes a second.",
            "Restart the peer's tunnel; two devices that use one key look the same.");
        In(
            DropReason.InHandshakeQueueFull,
            "The queue to the handshake thread is full.",
            "Look for a flood of handshakes, or give the machine more processors.");
        In(
            DropReason.InHandshakeInvalid,
            "The handshake initiation does not decrypt with our key, or carries a public key of low order.",
            "Compare our public key with the one in the peer's configuration.");
        In(
            DropReason.InHandshakeUnknownPeer,
            "The handshake initiation comes from a public key that is no peer of ours.",
            "Add the peer with its public key, or remove our endpoint from its configuration.");
        In(
            DropReason.InHandshakeReplay,
            "The initiation's time stamp is not newer than the last one accepted from this peer.",
            "Set the peer's clock right: it went back; a replayed capture looks the same.");
        In(
            DropReason.InHandshakeResponseInvalid,
            "The handshake response answers no initiation of ours, or does not decrypt.",
            "Compare the keys and the preshared key of both ends; a late response to an earlier try also counts here.");
        In(
            DropReason.InHandshakeCookieInvalid,
            "The cookie reply answers no message of ours, or does not decrypt.",
            "Compare the peer's public key with the one configured here; a late reply also counts here.");
        In(
            DropReason.InOuterHdrError,
            "The Ethernet, IP or UDP header of a frame taken by AF_XDP contradicts itself.",
            "Look for a damaged cable or card; the kernel would have dropped the frame without a word.");
        In(
            DropReason.InHandshakeFlood,
            "We are under load, and more handshake initiations arrive than 20,000 a second from addresses that have proved nothing.",
            "Nothing for peers that have a cookie: they pass first; find out where the flood comes from, and filter it before this machine.");
        In(
            DropReason.InXdpNoFrame,
            "AF_XDP had no free frame to receive into.",
            "Give the tunnel more workers or the machine more CPU: frames come faster than they are opened.");
        In(
            DropReason.InXdpRefused,
            "AF_XDP refused the frame: it does not fit into a chunk of 4 KiB, and the socket takes no frame in several chunks.",
            "Lower the MTU of the outer device to 3,778 bytes or less, or use the UDP port.");
        In(
            DropReason.InXdpRingFull,
            "AF_XDP's RX ring was full.",
            "Give the tunnel more workers or the machine more CPU: frames come faster than they are opened.");
        In(
            DropReason.InHopLimit,
            "The decrypted packet may go no hop further (TTL or hop limit), and its sender was told.",
            "Nothing, if it is rare: traceroute does this; a steady stream means that routes lead in a circle.");
        In(
            DropReason.InPacketTooBig,
            "The decrypted packet is larger than the local network takes and must not be broken up; its sender was told.",
            "Nothing, if it is rare: the sender learns the size; a steady stream means that ICMP does not reach it.");
        In(
            DropReason.InXdpBadDescriptor,
            "The kernel found an invalid entry in the TX ring of AF_XDP on the inner side.",
            "Report it as a defect, and set InnerPort to tun meanwhile.");
        In(
            DropReason.InXdpRedirectFailed,
            "The kernel could not give the frame to the AF_XDP socket of its queue (tracepoint xdp:xdp_redirect_err).",
            "Nothing, if it happened when queues or the tunnel changed; otherwise see the error with \"bpftrace -e 'tracepoint:xdp:xdp_redirect_err { print(args->err) }'\".");
        In(
            DropReason.InXdpNotSent,
            "The local network's device threw away the frame that AF_XDP gave it.",
            "See whether its link is up and its queues are sound (ip -s link, ethtool -S).");
        In(
            DropReason.InXdpBadChain,
            "A frame that AF_XDP gave in several chunks has no end, or is larger than 9,728 bytes.",
            "Report it as a defect of the device's driver, and use the UDP port meanwhile.");
        Out(
            DropReason.OutInnerHdrError,
            "The bytes from the inner interface are no IPv4 or IPv6 packet.",
            "Find the program that writes other protocols to the interface.");
        Out(
            DropReason.OutNoStates,
            "The destination lies in no peer's allowed IPs.",
            "Add the destination to AllowedIPs of the right peer, or remove the route that leads it here.",
            true);
        Out(
            DropReason.OutNoEndpoint,
            "The peer has no known endpoint.",
            "Set Endpoint for this peer, or wait until it has connected to us.");
        Out(
            DropReason.OutNoQueueSpace,
            "The queue of packets that wait for a handshake is full, so its oldest one left.",
            "Find out why the handshake does not complete: check the endpoint, the firewall and the peer.",
            true);
        Out(
            DropReason.OutHandshakeTimeout,
            "The handshake was given up after 90 seconds, and with it the packets that waited.",
            "Check that the endpoint is right, reachable by UDP, and that the peer has our public key.");
        Out(
            DropReason.OutHandshakeNoEndpoint,
            "A handshake cannot begin, because the peer has no known endpoint.",
            "Set Endpoint for this peer, or have the peer begin: it must know our address and port.");
        Out(
            DropReason.OutHandshakeKeyInvalid,
            "No handshake message can be made for the peer's public key: it is of low order.",
            "Ask the peer for its real public key; this one is no key that a tunnel would generate.");
        Out(
            DropReason.OutHandshakeNoAnswer,
            "An initiation of ours got no answer within 5 seconds, so another one takes its place.",
            "Check that the peer runs, its address and port, the firewalls between, and that it has our public key and preshared key.");
        Out(
            DropReason.OutHandshakeSuperseded,
            "A handshake of ours gave way to one that the peer began at the same time.",
            "Nothing: the session comes from the peer's handshake; a steady stream means that our messages do not reach it.");
        Out(
            DropReason.OutHandshakeGivenUp,
            "A handshake was given up after 90 seconds without an answer.",
            "Check the endpoint, the firewalls between, and that the peer has our public key; the next packet begins anew.");
        Out(
            DropReason.OutHandshakeAbandoned,
            "A handshake was under way when all sessions with the peer ended: key change, suspend, interface down, or removal.",
            "Nothing: the next packet begins a new handshake.");
        Out(
            DropReason.OutStateExpired,
            "The session used up its time or its counters before the packet could leave.",
            "Check that handshakes with this peer complete: a new session should have replaced this one.",
            true);
        Out(
            DropReason.OutPeerRemoved,
            "The peer was removed while the packet waited.",
            "Nothing, if the removal was meant.");
        Out(
            DropReason.OutNoRoute,
            "The kernel refused the datagram: there is no route to the endpoint, or the network is down.",
            "Check the route to the endpoint; a default route through the tunnel needs an exception for it (a firewall mark).");
        Out(
            DropReason.OutFirewall,
            "A firewall or security policy of this machine forbids sending the datagram.",
            "Allow UDP from our listen port to the endpoint in the output rules of this machine.");
        Out(
            DropReason.OutMessageTooLarge,
            "The datagram is larger than the path to the endpoint allows.",
            "Lower the tunnel's MTU: to the path's MTU less 60 bytes for IPv4, or less 80 for IPv6.");
        Out(
            DropReason.OutPortError,
            "The outer socket failed to send the datagram.",
            "Read the log for the error that the kernel gave.");
        Out(
            DropReason.OutOffloadInvalid,
            "A segmentation request from the inner interface contradicts the packet's own header.",
            "Turn segmentation offload off on the inner interface, and report the kernel's version.");
        Out(
            DropReason.OutRoutingLoop,
            "The packet carries a message of the very session it would be sealed for: the route to the peer's endpoint leads into the tunnel.",
            "Route the endpoint past the tunnel, or leave it out of the peer's allowed IPs; a default route needs a firewall mark.");
        Out(
            DropReason.OutXdpBadDescriptor,
            "The kernel found an invalid entry in AF_XDP's TX ring.",
            "Report it as a defect, and use the UDP port meanwhile.");
        Out(
            DropReason.OutHopLimit,
            "The packet from the local network may go no hop further (TTL or hop limit), and its sender was told.",
            "Nothing, if it is rare: traceroute does this; a steady stream means that routes lead in a circle.");
        Out(
            DropReason.OutPacketTooBig,
            "The packet from the local network is larger than the tunnel takes and must not be broken up; its sender was told.",
            "Nothing, if it is rare: the sender learns the size; a steady stream means that ICMP does not reach it.");
        Out(
            DropReason.OutXdpNoFrame,
            "AF_XDP on the inner side had no free frame to receive into.",
            "Give the tunnel more workers or the machine more CPU: packets come faster than they are sealed.");
        Out(
            DropReason.OutXdpRefused,
            "AF_XDP on the inner side refused the frame: it does not fit into a chunk of 4 KiB, and the socket takes no frame in several chunks.",
            "Lower the MTU of the local network's device to 3,746 bytes or less, or set InnerPort to tun.");
        Out(
            DropReason.OutXdpRingFull,
            "AF_XDP's RX ring on the inner side was full.",
            "Give the tunnel more workers or the machine more CPU: packets come faster than they are sealed.");
        Out(
            DropReason.OutXdpNotSent,
            "The device threw away the frame that AF_XDP gave it.",
            "See whether its link is up and its queues are sound (ip -s link, ethtool -S).");
        Out(
            DropReason.OutXdpRedirectFailed,
            "The kernel could not give the local network's frame to the AF_XDP socket of its queue (tracepoint xdp:xdp_redirect_err).",
            "Nothing, if it happened when queues or the tunnel changed; otherwise see the error with \"bpftrace -e 'tracepoint:xdp:xdp_redirect_err { print(args->err) }'\".");
        Out(
            DropReason.OutXdpBadChain,
            "A frame that AF_XDP on the inner side gave in several chunks has no end, or is larger than 9,728 bytes.",
            "Report it as a defect of the device's driver, and set InnerPort to tun meanwhile.");
        Out(
            DropReason.OutInterfaceDown,
            "The interface is down, so no port is open.",
            "Bring the interface up.");
        return all;
    }
}
