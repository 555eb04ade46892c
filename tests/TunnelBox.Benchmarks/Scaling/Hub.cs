using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;
using TunnelBox.DataPath;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>One end of tunnels: its protocol, and what its workers share. Handshake messages go from hand to hand.</summary>
internal sealed class Hub : ITunnelOutput, IDisposable
{
    private readonly KeyArena _keys = new();
    private readonly SodiumRandom _random = new();
    private readonly HandshakeQueue _handshakes = new();
    private readonly Queue<byte[]> _letters = new();
    private readonly PublicKey _publicKey;
    private readonly ushort _number;

    /// <summary>Makes an end.</summary>
    /// <param name="number">The last two bytes of its inner address, and its UDP port.</param>
    public Hub(ushort number)
    {
        _number = number;
        Tunnel = new Tunnel(_keys, _random, TimeProvider.System, TimeProvider.System, static _ => new Tai64nClock(TimeProvider.System), this);
        byte[] key = new byte[PublicKey.Size];
        Curve25519.GeneratePrivateKey(_random, key);
        _publicKey = Curve25519.GetPublicKey(key);
        using Tunnel.Edit edit = Tunnel.BeginEdit();
        edit.SetPrivateKey(key);
    }

    /// <summary>Gets the tunnel.</summary>
    public Tunnel Tunnel { get; }

    /// <summary>Gets the inner address.</summary>
    public uint Inner => 0x0A000000u + _number;

    /// <summary>Gets the outer address.</summary>
    public EndpointAddress Outer => new(0x7F000001, _number, IsIPv6: false, ScopeId: 0);

    /// <summary>Gets the other ends that this one knows, as peers, in the order in which they were joined.</summary>
    public List<Peer> Peers { get; } = [];

    /// <summary>Makes two ends each other's peers, with a session.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other.</param>
    public static void Join(Hub a, Hub b)
    {
        a.Know(b);
        b.Know(a);
        Peer peer = b.Peers[^1];
        b.Tunnel.WantHandshake(peer, b.Tunnel.Now());
        for (int i = 0; i < 10; i++)
        {
            a.Tunnel.Tick();
            b.Tunnel.Tick();
            Deliver(a, b);
            Deliver(b, a);
        }

        // The answering end may use its session once it has heard a packet of it; here it takes the message's word.
        if (peer.Current is null)
        {
            throw new InvalidOperationException("The handshake failed, so the figures would mean nothing.");
        }
    }

    /// <summary>Makes a worker.</summary>
    /// <param name="inner">Its inner port.</param>
    /// <param name="outer">Its outer port.</param>
    /// <param name="team">Who helps whom, or null.</param>
    /// <param name="aead">Its engine; null for the best there is.</param>
    /// <returns>The worker.</returns>
    public Worker Work(IPort inner, IPort outer, WorkerTeam? team, IPacketAead? aead = null) =>
        new("bench", Tunnel, inner, outer, aead ?? PacketAead.Select("auto").Create(), new HandshakeGate(Tunnel, _handshakes, _random, this), new Counters().AddBlock()) { Team = team };

    /// <inheritdoc/>
    public DropReason SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint)
    {
        _letters.Enqueue(datagram.ToArray());
        return DropReason.None;
    }

    /// <inheritdoc/>
    public void Flush(Peer peer, bool keepalive)
    {
        // Nothing waits, and a keepalive would be one packet too many.
    }

    /// <inheritdoc/>
    public void Wake()
    {
    }

    /// <inheritdoc/>
    public void Dropped(DropReason reason, int packets, long bytes)
    {
    }

    /// <inheritdoc/>
    public void Event(Peer peer, TunnelEvent tunnelEvent)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Tunnel.Dispose();
        _keys.Dispose();
    }

    private static void Deliver(Hub from, Hub to)
    {
        while (from._letters.TryDequeue(out byte[]? letter))
        {
            _ = to.Tunnel.HandleHandshake(letter, from.Outer, default);
        }
    }

    private void Know(Hub other)
    {
        using Tunnel.Edit edit = Tunnel.BeginEdit();
        Peer peer = edit.AddPeer(other._publicKey);
        Tunnel.Edit.SetEndpoint(peer, other.Outer.ToIPEndPoint());
        edit.AddAllowedIp(peer, new IPNetwork(new IPAddress([10, 0, (byte)(other._number >> 8), (byte)other._number]), 32));
        Peers.Add(peer);
    }
}
