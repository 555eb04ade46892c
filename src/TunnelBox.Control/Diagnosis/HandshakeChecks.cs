using System.Globalization;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of handshakes: what was refused lately and why, and who does not answer.</summary>
internal static class HandshakeChecks
{
    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("handshake", "each peer's handshake and health, and what was refused in the last minute", static (context, _) => Handshake(context)),
    ];

    private static readonly Guess s_firewall = new(Causes.Firewall, "Let UDP to its port pass every firewall between, and the one on its machine.");
    private static readonly Guess s_key = new(Causes.WrongKey, "Compare both public keys with what the other end has.");
    private static readonly Guess s_xdp = new(Causes.Xdp, "Look for an XDP program on its machine that drops datagrams before any firewall sees them.");
    private static readonly Guess s_port = new(Causes.WrongPort, "Compare the address and port of Endpoint at the peer with this machine's.");
    private static readonly Guess s_stale = new(Causes.DnsStale, "If the peer knows this machine by a name that has moved, load its file again.");
    private static readonly Guess s_psk = new(Causes.PresharedKey, "Set the same preshared key at both ends, or at none.");
    private static readonly Guess s_nat = new(Causes.Nat, "Set PersistentKeepalive = 25 at the peer: a translator between forgets it when it is silent.");
    private static readonly Guess s_clock = new(Causes.Clock, "Check that this machine's clock did not go back.");

    private static List<Finding> Handshake(DoctorContext context)
    {
        List<Finding> findings = [.. Strangers(context)];
        int well = 0;
        foreach (PeerReport peer in context.Peers)
        {
            List<Finding> ofPeer = [.. Evidence(context, peer)];
            if (ofPeer.Count == 0 && Trouble(peer) is { } trouble)
            {
                ofPeer.Add(trouble);
            }

            well += ofPeer.Count == 0 ? 1 : 0;
            findings.AddRange(ofPeer.Select(finding => finding with { Peer = DoctorContext.Label(peer) }));
        }

        if (context.Status.Device.UnderLoad)
        {
            findings.Add(Finding.Warn("Handshakes arrive faster than they can be answered, so each must prove its address first.", "Look for a flood: tunnelctl stat --watch."));
        }

        return findings.Count > 0 ? findings
            : context.Status.Peers.Count == 0 ? [Finding.Skip("There are no peers.")]
            : [Finding.Pass($"{well} peers, none in trouble.")];
    }

    // Messages that belong to no known peer: all that is known is that somebody sends them.
    private static IEnumerable<Finding> Strangers(DoctorContext context)
    {
        (string Reason, string What, string Remedy)[] kinds =
        [
            ("InHandshakeMac1", "were made for another public key than ours", $"Write this machine's public key, {context.Status.Device.PublicKey}, into the peer's file."),
            ("InHandshakeInvalid", "do not decrypt with our key", $"Write this machine's public key, {context.Status.Device.PublicKey}, into the peer's file."),
            ("InHandshakeUnknownPeer", "came from a public key that is no peer here", "Write the sender's public key into its [Peer] section here."),
            ("InHandshakeNoKey", "came while no private key is set here", "Set PrivateKey."),
        ];
        foreach ((string reason, string what, string remedy) in kinds)
        {
            long count = DoctorContext.Recent(context.Counts, reason);
            if (count > 0)
            {
                bool needed = context.Status.Peers.Any(peer => peer.Health != PeerHealth.Well);
                string message = $"{count} handshake messages {what} ({reason}).";
                yield return needed ? Finding.Fail(message, remedy, Causes.WrongKey) : Finding.Warn(message, $"{remedy} If every peer is well, it is a stranger: do nothing.", Causes.WrongKey);
            }
        }
    }

    private static IEnumerable<Finding> Evidence(DoctorContext context, PeerReport peer)
    {
        StatAnswer? counts = context.PeerCounts.GetValueOrDefault(peer.PublicKey);
        if (peer.Health == PeerHealth.Replays)
        {
            yield return Finding.Fail($"A storm of replays: {peer.HealthDetail}.", "Look for a device that duplicates packets, or for a captured session that is played again.");
        }

        long replayed = DoctorContext.Recent(counts, "InHandshakeReplay");
        if (replayed > 0)
        {
            yield return Finding.Fail($"{replayed} of its handshakes were older than one that was accepted before: its clock went back.", "Set the peer's clock right.", Causes.Clock);
        }

        long unread = DoctorContext.Recent(counts, "InHandshakeResponseInvalid");
        if (unread > 0 && peer.Health != PeerHealth.Well)
        {
            yield return Finding.Fail($"It answered {unread} handshakes in a way that does not decrypt: the preshared keys differ, or one end has none.", "Set the same preshared key at both ends, or at none.", Causes.PresharedKey);
        }

        if (DoctorContext.Recent(counts, "InHandshakePeerFlood") > 0)
        {
            yield return Finding.Warn("It begins more than 50 handshakes a second.", "Look for two devices that use one key.");
        }
    }

    private static Finding? Trouble(PeerReport peer)
    {
        string heard = peer.ReceivedAge is { } age
            ? string.Create(CultureInfo.InvariantCulture, $"last heard {age:0} s ago")
            : "never heard since the daemon started";
        return peer.Health switch
        {
            PeerHealth.Unheard => Guesses(CheckStatus.Fail, $"Only its packets arrive here, ours do not get through: {peer.HealthDetail}.", s_psk, s_firewall, s_key),
            PeerHealth.Stalled when peer.ReceivedAge is null => Guesses(CheckStatus.Fail, $"No answer: {peer.HealthDetail}; {heard}.", s_key, s_firewall, s_xdp, s_clock, s_port, s_psk),
            PeerHealth.Stalled when peer.EndpointLearned => Finding.Fail(
                $"It no longer answers at {peer.Endpoint}, which was learned from its own packets: {peer.HealthDetail}; {heard}.", s_nat.Remedy, Causes.Nat),
            PeerHealth.Stalled => Guesses(CheckStatus.Fail, $"It no longer answers: {peer.HealthDetail}; {heard}.", s_firewall, s_xdp, s_stale, s_key),
            PeerHealth.Quiet when peer is { ReceivedAge: null, AskedAge: null } => Guesses(
                CheckStatus.Warn, "Nothing of it has arrived since the daemon started, and nothing was sent to it.", s_port, s_stale, s_firewall, new Guess(Causes.Route, "Check that the peer has a route into its tunnel.")),
            PeerHealth.Quiet when peer is { ReceivedAge: null } => Guesses(CheckStatus.Warn, $"It was asked and did not answer yet; {heard}.", s_key, s_firewall, s_xdp),
            _ => null,
        };
    }

    private static Finding Guesses(CheckStatus status, string message, params Guess[] guesses) =>
        new() { Status = status, Message = message, Remedy = guesses[0].Remedy, Guesses = guesses };
}
