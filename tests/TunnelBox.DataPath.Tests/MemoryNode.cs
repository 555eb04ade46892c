using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.DataPath.Tests;

/// <summary>A clock that moves only when a test moves it.</summary>
internal sealed class FakeClock : TimeProvider
{
    public long Nanoseconds { get; set; } = 1_000_000_000_000;

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => Nanoseconds;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(Nanoseconds / 100);

    public void Advance(double seconds) => Nanoseconds += (long)(seconds * 1e9);
}

/// <summary>A whole tunnel end in memory: protocol, worker and ports, moved by hand.</summary>
internal sealed class MemoryNode : ITunnelOutput, IDisposable
{
    private readonly Dictionary<DropReason, int> _drops = [];
    private readonly HandshakeQueue _queue = new();

    public MemoryNode(FakeClock clock, ushort port, FakeClock? awake = null, RandomSource? random = null)
    {
        Clock = clock;
        Address = new EndpointAddress(0x0A000001, port, false, 0);
        Tunnel = new Tunnel(Arena, random ?? Random, clock, awake ?? clock, _ => new Tai64nClock(clock), this);
        Gate = new HandshakeGate(Tunnel, _queue, random ?? Random, this);
        Worker = new Worker("test", Tunnel, Inner, Outer, new SodiumAead(), Gate, Counters.AddBlock(), Taps);
        PrivateKey = new byte[32];
        Curve25519.GeneratePrivateKey(random ?? Random, PrivateKey);
        PublicKey = Curve25519.GetPublicKey(PrivateKey);
        using (Tunnel.Edit edit = Tunnel.BeginEdit())
        {
            edit.SetPrivateKey(PrivateKey);
        }

        Inner.Sent = (bytes, _, _) => Delivered.Add(bytes);
        Outer.Sent = (bytes, endpoint, ecn) => Transmit?.Invoke(bytes, endpoint!.Remote, ecn);
    }

    public static SodiumRandom Random { get; } = new();

    public FakeClock Clock { get; }

    public EndpointAddress Address { get; set; }

    public KeyArena Arena { get; } = new();

    public Tunnel Tunnel { get; }

    public HandshakeGate Gate { get; }

    public HandshakeQueue Queue => _queue;

    public MemoryPort Inner { get; } = new();

    public MemoryPort Outer { get; } = new();

    public Worker Worker { get; }

    public Counters Counters { get; } = new();

    public RingTaps Taps { get; } = new();

    public byte[] PrivateKey { get; }

    public PublicKey PublicKey { get; }

    public List<byte[]> Delivered { get; } = [];

    public List<TunnelEvent> Events { get; } = [];

    public Action<byte[], EndpointAddress, byte>? Transmit { get; set; }

    public Func<Peer, EndpointAddress?>? Next { get; set; }

    /// <summary>Introduces two nodes to each other and joins their outer ports; datagrams pass through <paramref name="wire"/>.</summary>
    public static void Join(MemoryNode a, MemoryNode b, Func<byte[], byte[]?>? wire = null, byte[]? presharedKey = null)
    {
        a.AddPeer(b, "10.0.0.2/32", presharedKey);
        b.AddPeer(a, "10.0.0.1/32", presharedKey);
        a.Transmit = (bytes, _, ecn) => Carry(bytes, a, b, ecn);
        b.Transmit = (bytes, _, ecn) => Carry(bytes, b, a, ecn);
        void Carry(byte[] bytes, MemoryNode from, MemoryNode to, byte ecn)
        {
            if ((wire is null ? bytes : wire(bytes)) is { } passed)
            {
                to.Outer.Incoming.Enqueue((passed, from.Address, ecn));
            }
        }
    }

    public Peer AddPeer(MemoryNode other, string allowedIp, byte[]? presharedKey = null)
    {
        using Tunnel.Edit edit = Tunnel.BeginEdit();
        Peer peer = edit.AddPeer(other.PublicKey);
        Tunnel.Edit.SetEndpoint(peer, other.Address.ToIPEndPoint());
        edit.AddAllowedIp(peer, IPNetwork.Parse(allowedIp));
        if (presharedKey is not null)
        {
            Tunnel.Edit.SetPresharedKey(peer, presharedKey);
        }

        return peer;
    }

    public Peer PeerOf(MemoryNode other)
    {
        using Tunnel.Edit edit = Tunnel.BeginEdit();
        return edit.Find(other.PublicKey)!;
    }

    /// <summary>Lets everything that waits happen: handshakes, timers that are due, packets.</summary>
    public bool Step()
    {
        bool busy = false;
        Span<byte> message = stackalloc byte[InitiationMessage.Size];
        while (_queue.TryTake(message, out int length, out EndpointAddress from, out SourceAddress to))
        {
            DropReason reason = Tunnel.HandleHandshake(message[..length], from, to);
            if (reason != DropReason.None)
            {
                Dropped(reason, 1, length);
            }

            busy = true;
        }

        Tunnel.Tick();
        return Worker.Pass() > 0 || busy;
    }

    public static void Settle(params MemoryNode[] nodes)
    {
        for (int quiet = 0; quiet < 3;)
        {
            bool busy = false;
            foreach (MemoryNode node in nodes)
            {
                busy |= node.Step();
            }

            quiet = busy ? 0 : quiet + 1;
        }
    }

    public int Drops(DropReason reason) => (int)Counters.Read().Drops(reason) + _drops.GetValueOrDefault(reason);

    public DropReason SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint)
    {
        Transmit?.Invoke(datagram.ToArray(), endpoint.Remote, 0);
        return DropReason.None;
    }

    public void Flush(Peer peer, bool keepalive) => Worker.Flush(peer, keepalive);

    public void Wake()
    {
    }

    public void Dropped(DropReason reason, int packets, long bytes) => _drops[reason] = _drops.GetValueOrDefault(reason) + packets;

    public EndpointAddress? NextEndpoint(Peer peer) => Next?.Invoke(peer);

    public void Event(Peer peer, TunnelEvent tunnelEvent) => Events.Add(tunnelEvent);

    public void Dispose()
    {
        Worker.Dispose();
        Tunnel.Dispose();
        Inner.Dispose();
        Outer.Dispose();
        Arena.Dispose();
    }
}
