using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using TunnelBox.Crypto;
using TunnelBox.DataPath.Tun;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <summary>
/// Sends a few synthetic bursts through two whole ends in this process before an interface comes up, so that no packet
/// of a user waits for the compiler: code that is compiled at first use would cost the first packets tens of milliseconds.
/// </summary>
public static class WarmUp
{
    /// <summary>Runs every stage once: handshake, split, route, seal, open, join.</summary>
    /// <param name="engine">Makes AEAD engines of the kind that the workers will use.</param>
    /// <returns>Packets that went through; fewer than sent only where the machine lacks something, which is no reason to refuse a start.</returns>
    public static int Run(Func<IPacketAead> engine)
    {
        using var a = new End(engine(), 1);
        using var b = new End(engine(), 2);
        a.Know(b, "192.0.2.2/32");
        b.Know(a, "192.0.2.1/32");
        for (int round = 0; round < 3; round++)
        {
            a.Inject(Super(isTcp: true));
            a.Inject(Super(isTcp: false));
            a.Inject(Single());
            for (int step = 0; step < 12; step++)
            {
                a.Step();
                b.Step();
            }
        }

        a.Rehearse();
        return (int)b.Counters.Read().InPackets;
    }

    /// <summary>Sends every kind of packet through a gateway's port once, for tunnels that have one.</summary>
    /// <returns>Whether all went through; where not, the machine lacks something, which is no reason to refuse a start.</returns>
    public static bool RunGateway()
    {
        try
        {
            return Xdp.GatewayWarmUp.Run() == (Xdp.GatewayWarmUp.ExpectedPackets, Xdp.GatewayWarmUp.ExpectedFrames);
        }
        catch (PortException)
        {
            return false;
        }
    }

    // A TCP or UDP super-packet from 192.0.2.1 to 192.0.2.2 as a TUN device hands it over: virtio header first.
    internal static byte[] Super(bool isTcp)
    {
        const int Segment = 1200;
        int transport = isTcp ? 20 : 8;
        byte[] packet = new byte[10 + 20 + transport + (4 * Segment)];
        packet[0] = Definitions.VIRTIO_NET_HDR_F_NEEDS_CSUM;
        packet[1] = isTcp ? Definitions.VIRTIO_NET_HDR_GSO_TCPV4 : Definitions.VIRTIO_NET_HDR_GSO_UDP_L4;
        BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(2), (ushort)(20 + transport));
        BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(4), Segment);
        BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(6), 20);
        BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(8), (ushort)(isTcp ? 16 : 6));
        Header(packet.AsSpan(10), isTcp ? (byte)6 : (byte)17);
        if (isTcp)
        {
            packet[10 + 20 + 12] = 0x50;
            packet[10 + 20 + 13] = 0x10;
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10 + 20 + 4), (ushort)(packet.Length - 30));
        }

        return packet;
    }

    internal static byte[] Single()
    {
        byte[] packet = new byte[10 + 20 + 64];
        Header(packet.AsSpan(10), protocol: 1);
        return packet;
    }

    private static void Header(Span<byte> packet, byte protocol)
    {
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = protocol;
        BinaryPrimitives.WriteUInt32BigEndian(packet[12..], 0xC0000201);
        BinaryPrimitives.WriteUInt32BigEndian(packet[16..], 0xC0000202);
    }

    /// <summary>One end: a real TUN port on a socket pair, and an outer port that hands its packets to the other end.</summary>
    internal sealed unsafe class End : ITunnelOutput, IDisposable
    {
        private readonly KeyArena _arena = new();
        private readonly SodiumRandom _random = new();
        private readonly Tunnel _tunnel;
        private readonly HandshakeQueue _queue = new();
        private readonly LoopbackPort _outer;
        private readonly TunPort _inner;
        private readonly FileDescriptor _feed;
        private readonly Worker _worker;
        private readonly PublicKey _publicKey;
        private readonly EndpointAddress _address;

        /// <summary>Hands the sessions over to itself, which is refused at the end: a take-over must not wait for the compiler either.</summary>
        public void Rehearse()
        {
            byte[] frame = _tunnel.ExportSessions();
            _ = _tunnel.ImportSessions(frame);
            CryptographicOperations.ZeroMemory(frame);
        }

        public End(IPacketAead aead, ushort port)
        {
            _address = new EndpointAddress(0x7F000001, port, IsIPv6: false, ScopeId: 0);
            _tunnel = new Tunnel(_arena, _random, TimeProvider.System, TimeProvider.System, static _ => new Tai64nClock(TimeProvider.System), this);
            int* pair = stackalloc int[2];
            int error = LibC.socketpair(Definitions.AF_UNIX, Definitions.SOCK_DGRAM | Definitions.SOCK_NONBLOCK | Definitions.SOCK_CLOEXEC, 0, pair);
            if (error < 0)
            {
                throw new PortException($"A pair of sockets cannot be made: {Errno.Describe(error)}; raise the limit of open files.", error);
            }

            _feed = new FileDescriptor(pair[0]);
            var offloads = new TunOffloads(report: null) { Header = true };
            offloads.EnableWrites(tcp: true, udp: true);
            _inner = new TunPort(new FileDescriptor(pair[1]), offloads, static () => "warm-up");
            _outer = new LoopbackPort(_address);
            _worker = new Worker("tb-warm-up", _tunnel, _inner, _outer, aead, new HandshakeGate(_tunnel, _queue, _random, this), Counters.AddBlock());
            Span<byte> key = stackalloc byte[PublicKey.Size];
            Curve25519.GeneratePrivateKey(_random, key);
            _publicKey = Curve25519.GetPublicKey(key);
            using Tunnel.Edit edit = _tunnel.BeginEdit();
            edit.SetPrivateKey(key);
            key.Clear();
        }

        public Counters Counters { get; } = new();

        /// <summary>Gets the other side of the inner port: what it writes there can be read here.</summary>
        public FileDescriptor Feed => _feed;

        public void Know(End other, string allowedIp)
        {
            _outer.Other = other._outer;
            using Tunnel.Edit edit = _tunnel.BeginEdit();
            Peer peer = edit.AddPeer(other._publicKey);
            Tunnel.Edit.SetEndpoint(peer, other._address.ToIPEndPoint());
            edit.AddAllowedIp(peer, IPNetwork.Parse(allowedIp));
        }

        public void Inject(byte[] packet)
        {
            fixed (byte* bytes = packet)
            {
                _ = LibC.write(_feed.Value, bytes, (nuint)packet.Length);
            }
        }

        public void Step()
        {
            Span<byte> message = stackalloc byte[InitiationMessage.Size];
            while (_queue.TryTake(message, out int length, out EndpointAddress from, out SourceAddress to))
            {
                _ = _tunnel.HandleHandshake(message[..length], from, to);
            }

            _tunnel.Tick();
            _worker.Pass();
        }

        public DropReason SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint)
        {
            _outer.Other!.Deliver(datagram, _address);
            return DropReason.None;
        }

        public void Flush(Peer peer, bool keepalive) => _worker.Flush(peer, keepalive);

        public void Wake()
        {
        }

        public void Dropped(DropReason reason, int packets, long bytes)
        {
        }

        public void Event(Peer peer, TunnelEvent tunnelEvent)
        {
        }

        public void Dispose()
        {
            _worker.Dispose();
            _inner.Dispose();
            _feed.Dispose();
            _outer.Dispose();
            _tunnel.Dispose();
            _arena.Dispose();
        }
    }

    internal sealed unsafe class LoopbackPort(EndpointAddress address) : IPort
    {
        private const int Slot = 2048;
        private readonly NativeRegion _region = new(Burst.Capacity * Slot);
        private readonly Queue<(byte[] Bytes, EndpointAddress From)> _incoming = new();

        public LoopbackPort? Other { get; set; }

        public string Description => "loopback";

        public bool MoreWaiting => _incoming.Count > 0;

        public int GetPollDescriptors(Span<int> descriptors) => 0;

        public void Deliver(ReadOnlySpan<byte> datagram, EndpointAddress from) => _incoming.Enqueue((datagram.ToArray(), from));

        public int Receive(Burst burst)
        {
            while (burst.Count < Burst.Capacity && _incoming.TryDequeue(out (byte[] Bytes, EndpointAddress From) packet))
            {
                int slot = burst.Count++;
                byte* data = _region.Address + (slot * Slot) + Burst.Headroom;
                packet.Bytes.CopyTo(new Span<byte>(data, Slot - Burst.Headroom));
                burst.Data[slot] = (nint)data;
                burst.Length[slot] = packet.Bytes.Length;
                burst.From[slot] = packet.From;
                burst.To[slot] = default;
                burst.Ecn[slot] = 0;
            }

            return burst.Count;
        }

        public void Send(Burst burst)
        {
            for (int i = 0; i < burst.Count; i++)
            {
                if (burst.Verdict[i] == Verdict.Continue)
                {
                    Other?.Deliver(new ReadOnlySpan<byte>((byte*)burst.Data[i], burst.Length[i]), address);
                    burst.Verdict[i] = Verdict.Done;
                }
            }
        }

        public void Dispose() => _region.Dispose();
    }
}
