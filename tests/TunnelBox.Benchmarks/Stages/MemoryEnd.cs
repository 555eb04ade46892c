using System.Buffers.Binary;
using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>
/// One end of a tunnel between two devices that are only memory: a real worker with the real outer port, whose ways are known beforehand, so that no
/// packet meets the kernel. Handshake messages go from hand to hand.
/// </summary>
internal sealed unsafe class MemoryEnd : ITunnelOutput, IDisposable
{
    private const int Frames = 2048;
    private const int Loopback = 1;
    private readonly KeyArena _keys = new();
    private readonly SodiumRandom _random = new();
    private readonly HandshakeQueue _handshakes = new();
    private readonly Queue<byte[]> _letters = new();
    private readonly Arena _arena = Arena.Map(4 * Frames);
    private readonly UdpSockets _sockets = UdpSockets.Open(new UdpSocketOptions());
    private readonly PathFinder _paths;
    private readonly XdpQueue _outerQueue;
    private readonly XdpQueue _innerQueue;
    private readonly PublicKey _publicKey;
    private readonly byte[] _address;
    private Peer? _peer;

    /// <summary>Makes an end.</summary>
    /// <param name="number">1 or 2: the last byte of its addresses.</param>
    public MemoryEnd(byte number)
    {
        _address = [192, 0, 2, number];
        Tunnel = new Tunnel(_keys, _random, TimeProvider.System, TimeProvider.System, static _ => new Tai64nClock(TimeProvider.System), this);
        FrameSet outerFrames = _arena.Rent(Frames)!;
        FrameSet innerFrames = _arena.Rent(Frames)!;
        Outer = new MemoryDevice(_arena, Frames, outerFrames.Receiving);
        Inner = new MemoryDevice(_arena, Frames, innerFrames.Receiving);
        _outerQueue = new XdpQueue(_arena, Outer.Socket, Loopback, outerFrames);
        _innerQueue = new XdpQueue(_arena, Inner.Socket, Loopback, innerFrames);
        _paths = new PathFinder("lo", Loopback, Port, 0, static _ => { }, static () => { }, static () => { });
        var outer = new XdpPort(_sockets.Ports[0], [_outerQueue], _paths, "memory");
        Worker = new Worker(
            "bench", Tunnel, new MarkedPort(new LanPort(_innerQueue), Clock, isInner: true), new MarkedPort(outer, Clock, isInner: false),
            new MarkedAead(PacketAead.Select("auto").Create(), Clock), new HandshakeGate(Tunnel, _handshakes, _random, this), new Counters().AddBlock());
        byte[] key = new byte[PublicKey.Size];
        Curve25519.GeneratePrivateKey(_random, key);
        _publicKey = Curve25519.GetPublicKey(key);
        using Tunnel.Edit edit = Tunnel.BeginEdit();
        edit.SetPrivateKey(key);
    }

    /// <summary>Gets the UDP port of both ends.</summary>
    public static ushort Port => 51820;

    /// <summary>Gets the tunnel.</summary>
    public Tunnel Tunnel { get; }

    /// <summary>Gets the worker, which is moved by hand.</summary>
    public Worker Worker { get; }

    /// <summary>Gets the clock of its passes.</summary>
    public StageClock Clock { get; } = new();

    /// <summary>Gets the device of the encrypted side.</summary>
    public MemoryDevice Outer { get; }

    /// <summary>Gets the device of the plain side.</summary>
    public MemoryDevice Inner { get; }

    /// <summary>Introduces two ends to each other; the first one asks for a session.</summary>
    /// <param name="a">The first.</param>
    /// <param name="b">The second.</param>
    public static void Join(MemoryEnd a, MemoryEnd b)
    {
        a.Know(b);
        b.Know(a);
        a.Tunnel.WantHandshake(a._peer!, a.Tunnel.Now());
        for (int i = 0; i < 10; i++)
        {
            a.Tunnel.Tick();
            b.Tunnel.Tick();
            Deliver(a, b);
            Deliver(b, a);
        }

        if (a._peer!.Current is null)
        {
            throw new InvalidOperationException("The handshake failed, so the figures would mean nothing.");
        }

        a.Publish(b);
        b.Publish(a);
    }

    /// <summary>Makes a frame of the plain side: Ethernet, IPv4 and UDP.</summary>
    /// <param name="to">The end behind which it goes.</param>
    /// <param name="length">Bytes of the IP packet, at least 28.</param>
    /// <returns>The frame.</returns>
    public byte[] Frame(MemoryEnd to, int length)
    {
        byte[] frame = new byte[14 + length];
        frame[12] = 8;
        Span<byte> ip = frame.AsSpan(14);
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)length);
        ip[8] = 64;
        ip[9] = 17;
        _address.CopyTo(ip[12..]);
        to._address.CopyTo(ip[16..]);
        ushort checksum = 0;
        fixed (byte* header = ip)
        {
            checksum = (ushort)~Checksum.Fold(Checksum.Sum(header, 20));
        }

        BinaryPrimitives.WriteUInt16LittleEndian(ip[10..], checksum);
        return frame;
    }

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
        Worker.Dispose();
        Tunnel.Dispose();
        _paths.Dispose();
        _outerQueue.Dispose();
        _innerQueue.Dispose();
        Outer.Dispose();
        Inner.Dispose();
        _sockets.Dispose();
        _arena.Dispose();
        _keys.Dispose();
    }

    private static void Deliver(MemoryEnd from, MemoryEnd to)
    {
        while (from._letters.TryDequeue(out byte[]? letter))
        {
            _ = to.Tunnel.HandleHandshake(letter, EndpointAddress.From(from.EndPoint()), default);
        }
    }

    private IPEndPoint EndPoint() => new(new IPAddress(_address), Port);

    private void Know(MemoryEnd other)
    {
        using Tunnel.Edit edit = Tunnel.BeginEdit();
        _peer = edit.AddPeer(other._publicKey);
        Tunnel.Edit.SetEndpoint(_peer, other.EndPoint());
        edit.AddAllowedIp(_peer, new IPNetwork(new IPAddress(other._address), 32));
    }

    private void Publish(MemoryEnd other)
    {
        Endpoint endpoint = _peer!.Endpoint!;
        var way = new XdpWay(BinaryPrimitives.ReadUInt32BigEndian(_address), 0x020000000001, 0x020000000002, 64, 9000);
        _paths.Publish(new Dictionary<Endpoint, XdpPath> { [endpoint] = new XdpPath(endpoint.Remote, Port, way) });
    }
}
