using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <content>Handshake messages, in and out (WireGuard paper, sections 5.4.2 to 5.4.7).</content>
public sealed partial class Tunnel
{
    /// <summary>
    /// Handles one initiation, response or cookie reply whose MACs were found right
    /// (<see cref="CookieChecker.IsMac1Valid"/>, and under load mac2).
    /// </summary>
    /// <param name="message">The datagram, of exactly the length of its type.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="to">The local address it arrived at.</param>
    /// <returns><see cref="DropReason.None"/>, or why it was not accepted.</returns>
    public DropReason HandleHandshake(ReadOnlySpan<byte> message, in EndpointAddress from, in SourceAddress to)
    {
        long began = TunnelTrace.Clock();
        lock (_gate)
        {
            DropReason malformed = WireMessages.Classify(message, out MessageType type);
            Peer? peer = null;
            DropReason reason = type switch
            {
                _ when malformed != DropReason.None => malformed,
                MessageType.Initiation => HandleInitiation(message, from, to, ref peer),
                MessageType.Response => HandleResponse(message, from, to, ref peer),
                MessageType.CookieReply => HandleCookieReply(message, ref peer),
                _ => DropReason.InMessageType,
            };
            Indices.Observer?.Flush();
            Trace.HandshakeReceived(peer, type, from, reason, message.Length);
            Trace.Message(outward: false, peer, message, from, to, reason, began);
            if (reason != DropReason.None)
            {
                Trace.Drop(peer, reason, 1, message.Length, PeerDrops.Control);
            }

            return reason;
        }
    }

    private DropReason HandleInitiation(ReadOnlySpan<byte> message, in EndpointAddress from, in SourceAddress to, ref Peer? sender)
    {
        if (_identity is null)
        {
            return DropReason.InHandshakeNoKey;
        }

        DropReason refused = _opener.Open(_identity, message);
        if (refused != DropReason.None)
        {
            return refused;
        }

        if (!_peers.TryGetValue(_opener.Sender, out Peer? peer))
        {
            _opener.Discard();
            return DropReason.InHandshakeUnknownPeer;
        }

        sender = peer;
        long now = Now();
        refused = _opener.Accept(peer.Handshake, now);
        if (refused != DropReason.None)
        {
            return Refuse(peer, refused, message.Length);
        }

        // The peer's initiation takes the place of ours, if one was under way.
        EndHandshake(peer, DropReason.OutHandshakeSuperseded);
        Roam(peer, from, to);
        peer.Timers.AuthenticatedReceived(now);
        peer.AddReceived(1, message.Length, now);
        SendResponse(peer, now);
        return DropReason.None;
    }

    private void SendResponse(Peer peer, long now)
    {
        uint index = ReserveIndex(peer);
        Span<byte> response = stackalloc byte[ResponseMessage.Size];
        if (!peer.Handshake.CreateResponse(index, _random, response, KeyLog) || !peer.Handshake.TryDeriveSession(out SessionKeys keys))
        {
            Indices.Remove(index);
            Drop(peer, DropReason.OutHandshakeKeyInvalid, 1, 0);
            return;
        }

        CookiesOf(peer).AddMacs(response, now);
        // The index must be known before the message that carries it leaves.
        AdoptSession(peer, keys, now);
        if (peer.Endpoint is { } endpoint)
        {
            Trace.HandshakeSent(peer, MessageType.Response, keys.LocalIndex, response.Length);
            Transmit(peer, response, endpoint, now);
            peer.UnusedResponses++;
            _output.Event(peer, TunnelEvent.ResponseSent);
        }
    }

    private DropReason HandleResponse(ReadOnlySpan<byte> message, in EndpointAddress from, in SourceAddress to, ref Peer? sender)
    {
        if (_identity is null)
        {
            return DropReason.InHandshakeNoKey;
        }

        if (Indices.Find(ResponseMessage.Receiver(message)) is not Peer peer)
        {
            return DropReason.InHandshakeResponseInvalid;
        }

        sender = peer;
        long now = Now();
        if (!peer.Handshake.ConsumeResponse(_identity, message) || !peer.Handshake.TryDeriveSession(out SessionKeys keys))
        {
            return Refuse(peer, DropReason.InHandshakeResponseInvalid, message.Length);
        }

        peer.HandshakeIndex = null;
        Indices.Remove(keys.LocalIndex);
        AdoptSession(peer, keys, now);
        Roam(peer, from, to);
        peer.AddReceived(1, message.Length, now);
        peer.Timers.AuthenticatedReceived(now);
        peer.Timers.HandshakeComplete();
        peer.UnusedResponses = 0;
        peer.HandshakeCompleted(UnixNanoseconds());
        peer.RoundTrip = now - peer.Timers.LastInitiation;
        Trace.HandshakeCompleted(peer, initiator: true, now - peer.Timers.LastInitiation);
        _output.Event(peer, TunnelEvent.ResponseReceived);
        _output.Event(peer, TunnelEvent.SessionEstablished);
        // The first packet confirms the session to the peer, so one is sent even when no data waits.
        _output.Flush(peer, keepalive: true);
        return DropReason.None;
    }

    private DropReason HandleCookieReply(ReadOnlySpan<byte> message, ref Peer? sender)
    {
        Peer? peer = Indices.Find(CookieReplyMessage.Receiver(message)) switch
        {
            Peer handshaking => handshaking,
            Keypair keypair => keypair.Peer,
            _ => null,
        };

        // Not a sign of life and no reason to roam: a cookie reply proves only that somebody saw our message.
        if (peer is null)
        {
            return DropReason.InHandshakeCookieInvalid;
        }

        sender = peer;
        if (!CookiesOf(peer).ConsumeReply(message, Now()))
        {
            return Refuse(peer, DropReason.InHandshakeCookieInvalid, message.Length);
        }

        _output.Event(peer, TunnelEvent.CookieReceived);
        return DropReason.None;
    }

    /// <summary>Begins a handshake, unless one was begun less than REKEY_TIMEOUT ago.</summary>
    private void Initiate(Peer peer, long now, bool isRetry)
    {
        Timers timers = peer.Timers;
        if (!isRetry)
        {
            timers.HandshakeAttempts = 0;
        }

        long last = timers.LastInitiation;
        if (_identity is null || _stamps is null || peer.IsRemoved || (last != long.MinValue && now - last < Limits.RekeyTimeout))
        {
            return;
        }

        if (peer.Endpoint is not { } endpoint)
        {
            Drop(peer, DropReason.OutHandshakeNoEndpoint, 1, 0);
            _output.Event(peer, TunnelEvent.NoEndpoint);
            return;
        }

        EndHandshake(peer, DropReason.OutHandshakeNoAnswer);
        if (isRetry || peer.Current is not null)
        {
            Trace.Rekeying(peer, isRetry);
        }

        uint index = ReserveIndex(peer);
        Span<byte> initiation = stackalloc byte[InitiationMessage.Size];
        if (last == long.MinValue || peer.LastReceived >= peer.AskedSince)
        {
            peer.AskedSince = now;
        }

        timers.InitiationSent(now, Jitter());
        Activate(peer);
        if (!peer.Handshake.CreateInitiation(_identity, _stamps.Next(), index, _random, initiation, KeyLog))
        {
            // Only a public key of low order ends here: there is no secret to share with it.
            Indices.Remove(index);
            Drop(peer, DropReason.OutHandshakeKeyInvalid, 1, 0);
            return;
        }

        peer.HandshakeIndex = index;
        CookiesOf(peer).AddMacs(initiation, now);
        Trace.HandshakeSent(peer, MessageType.Initiation, index, initiation.Length);
        Transmit(peer, initiation, endpoint, now);
        _output.Event(peer, isRetry ? TunnelEvent.InitiationRetried : TunnelEvent.InitiationSent);
    }

    private void Roam(Peer peer, in EndpointAddress from, in SourceAddress to)
    {
        if (peer.RoamTo(from, to))
        {
            Trace.EndpointChanged(peer);
        }
    }

    private void Transmit(Peer peer, ReadOnlySpan<byte> message, Endpoint endpoint, long now)
    {
        peer.AddSent(1, message.Length);
        peer.Timers.AuthenticatedSent(now);
        Indices.Observer?.Flush();
        DropReason refused = _output.SendDatagram(message, endpoint);
        Trace.Message(outward: true, peer, message, endpoint.Remote, endpoint.Local, refused);
        if (refused != DropReason.None)
        {
            Count(peer, refused, 1, message.Length);
        }
    }

    // The caller counts what it gave us; here it is noted with the peer that it belongs to.
    private static DropReason Refuse(Peer peer, DropReason reason, int bytes)
    {
        peer.Drops.Count(PeerDrops.Control, reason, 1, bytes);
        return reason;
    }

    private void AdoptSession(Peer peer, SessionKeys keys, long now)
    {
        var keypair = new Keypair(peer, keys, now);
        Indices.Remove(keys.LocalIndex);
        if (!Indices.TryAdd(keys.LocalIndex, keypair))
        {
            throw new InvalidOperationException("A receiver index was given out twice.");
        }

        peer.Install(keypair, _discard);
        Trace.SessionMade(peer, keypair);
        peer.Timers.SessionDerived(now);
        Activate(peer);
    }

    private uint ReserveIndex(Peer peer)
    {
        while (true)
        {
            uint index = _random.NextUInt32();
            if (Indices.TryAdd(index, peer))
            {
                return index;
            }
        }
    }

    private static CookieJar CookiesOf(Peer peer) => peer.Cookies ??= new CookieJar(peer.PublicKey);

    private long Jitter() => _random.NextUInt32() % Limits.RekeyTimeoutJitter;
}
