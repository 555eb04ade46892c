using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <summary>
/// What a handshake message must pass before it costs a Diffie-Hellman: its length, mac1, and under load a cookie for its
/// address and the rate of that address (WireGuard paper, section 5.3). Shared by all workers.
/// </summary>
/// <param name="tunnel">The tunnel.</param>
/// <param name="queue">Where admitted messages wait.</param>
/// <param name="random">Randomness for cookie replies.</param>
/// <param name="output">Sends cookie replies, and wakes the handshake thread.</param>
public sealed class HandshakeGate(Tunnel tunnel, HandshakeQueue queue, Crypto.RandomSource random, ITunnelOutput output)
{
    private readonly Lock _limiterGate = new();
    private readonly RateLimiter _limiter = new();
    private ILoadWatch? _watch;

    /// <summary>Gets or sets who is told what is found out under load, or null.</summary>
    public ILoadWatch? Watch
    {
        get => Volatile.Read(ref _watch);
        set => Volatile.Write(ref _watch, value);
    }

    /// <summary>Checks a datagram that is no data message and queues it for the handshake thread.</summary>
    /// <param name="datagram">The bytes, of the length that <see cref="WireMessages.Classify"/> found right.</param>
    /// <param name="type">What <see cref="WireMessages.Classify"/> found.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="to">The local address it arrived at.</param>
    /// <param name="now">Nanoseconds of the tunnel's clock.</param>
    /// <returns><see cref="DropReason.None"/> when it was queued.</returns>
    public DropReason Admit(ReadOnlySpan<byte> datagram, MessageType type, in EndpointAddress from, in SourceAddress to, long now)
    {
        DropReason refused = type == MessageType.CookieReply ? DropReason.None : CheckMacs(datagram, from, to, now);
        if (refused != DropReason.None)
        {
            return refused;
        }

        if (!queue.TryAdd(datagram, from, to))
        {
            return DropReason.InHandshakeQueueFull;
        }

        output.Wake();
        return DropReason.None;
    }

    private DropReason CheckMacs(ReadOnlySpan<byte> datagram, in EndpointAddress from, in SourceAddress to, long now)
    {
        if (tunnel.Cookies is not { } cookies)
        {
            return DropReason.InHandshakeNoKey;
        }

        if (!cookies.IsMac1Valid(datagram))
        {
            return DropReason.InHandshakeMac1;
        }

        if (!queue.IsUnderLoad(now))
        {
            return DropReason.None;
        }

        ILoadWatch? watch = Watch;
        watch?.UnderLoad();
        if (!cookies.IsMac2Valid(datagram, from, now))
        {
            Span<byte> reply = stackalloc byte[CookieReplyMessage.Size];
            cookies.CreateReply(datagram, from, now, random, reply);
            DropReason unsent = output.SendDatagram(reply, new Endpoint(from, to));
            tunnel.Trace.Message(outward: true, peer: null, reply, from, to, unsent);
            if (unsent != DropReason.None)
            {
                tunnel.Trace.Drop(null, unsent, 1, reply.Length, PeerDrops.Control);
                output.Dropped(unsent, 1, reply.Length);
            }

            return DropReason.InHandshakeCookieSent;
        }

        // Only now does the source count: before mac2 its address is a claim, and a limit on it a weapon.
        lock (_limiterGate)
        {
            if (!_limiter.Allow(from, now))
            {
                return DropReason.InHandshakeRateLimited;
            }
        }

        watch?.Proven(from);
        return DropReason.None;
    }
}
