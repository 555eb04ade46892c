using System.Buffers.Binary;
using System.Net;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// A gateway's port between two devices that are only memory, through which every kind of packet goes once before a device is opened, so
/// that no packet of a user waits for the compiler.
/// </summary>
internal sealed unsafe class GatewayWarmUp : IDisposable
{
    /// <summary>Of each family: four from the device, and two answers into the tunnel.</summary>
    public const int ExpectedPackets = 12;

    /// <summary>Of each family: two from the tunnel that fit, and two answers to the sender.</summary>
    public const int ExpectedFrames = 8;

    private const int Frames = 64;
    private const int RingBytes = 8192;
    private const int Mtu = 1400;
    private const int Device = 1;
    private const int Tunnel = 2;

    // Bytes that the kernel leaves free before a received frame (XDP_PACKET_HEADROOM), and those that we ask it for.
    private const int Headroom = 256 + Arena.Headroom;
    private const byte Tcp = 6;

    private readonly Arena _arena = Arena.Map(2 * Frames);
    private readonly FileDescriptor _memory;
    private readonly XdpRing[] _theirs;
    private readonly XdpQueue _queue;
    private readonly WarmUp.LoopbackPort _tun = new(default);
    private readonly Burst _burst = new();

    /// <summary>Makes one.</summary>
    /// <exception cref="PortException">There is no memory for it.</exception>
    public GatewayWarmUp()
    {
        fixed (byte* name = "warm-up\0"u8)
        {
            _memory = new FileDescriptor(LibC.memfd_create(name, 0));
        }

        int error = LibC.ftruncate(_memory.Value, 4 * RingBytes);
        if (error < 0)
        {
            throw new PortException($"no memory for trying a gateway out: {Errno.Describe(error)}", error);
        }

        XdpRing[] ours = Rings();
        _theirs = Rings();
        FrameSet frames = _arena.Rent(Frames)!;
        for (uint i = 0; i < Frames; i++)
        {
            ours[0].Frame(i) = frames.Receiving[(int)i];
        }

        ours[0].Submit(Frames);
        _queue = new XdpQueue(_arena, XdpSocket.OfRings(ours[0], ours[1], ours[2], ours[3]), Device, frames);
        var lan = new LanView { TunnelMtu = Mtu, Tables = Tables() };
        Port = new GatewayPort(_tun, [_queue], lan, "warm-up", finishesChecksums: true);
    }

    /// <summary>Gets the port.</summary>
    public GatewayPort Port { get; }

    /// <summary>Sends every kind of packet through, both ways.</summary>
    /// <returns>Packets that went through, and frames that left; fewer than expected only where something is amiss.</returns>
    public static (int Packets, int Frames) Run()
    {
        using var warm = new GatewayWarmUp();
        return warm.Pass();
    }

    /// <summary>Makes a frame to or from a host of the local network.</summary>
    /// <param name="isIPv6">Its family.</param>
    /// <param name="protocol">6 for a TCP SYN that asks for large segments, 17 for UDP.</param>
    /// <param name="hops">How far it may go on.</param>
    /// <param name="length">Bytes of the packet.</param>
    /// <returns>The frame.</returns>
    public static byte[] Frame(bool isIPv6, byte protocol, byte hops, int length)
    {
        byte[] frame = new byte[FrameReader.EthernetSize + length];
        frame[6] = frame[11] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(isIPv6 ? FrameReader.IPv6 : FrameReader.IPv4));
        Span<byte> packet = frame.AsSpan(FrameReader.EthernetSize);
        int header = isIPv6 ? InnerPacket.IPv6Header : InnerPacket.IPv4Header;
        if (isIPv6)
        {
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(length - header));
            packet[6] = protocol;
            packet[7] = hops;
            _ = Host(isIPv6).TryWriteBytes(packet[8..], out _);
            _ = Host(isIPv6).TryWriteBytes(packet[24..], out _);
        }
        else
        {
            packet[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)length);
            packet[6] = 0x40;
            packet[8] = hops;
            packet[9] = protocol;
            _ = Host(isIPv6).TryWriteBytes(packet[12..], out _);
            _ = Host(isIPv6).TryWriteBytes(packet[16..], out _);
            fixed (byte* bytes = packet)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(packet[10..], (ushort)~Checksum.Fold(Checksum.Sum(bytes, InnerPacket.IPv4Header)));
            }
        }

        Span<byte> transport = packet[header..];
        if (protocol == Tcp)
        {
            transport[12] = 0x60;
            transport[13] = 2;
            BinaryPrimitives.WriteUInt32BigEndian(transport[20..], 0x0204_05B4);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)(length - header));
        }

        return frame;
    }

    /// <summary>Sends every kind of packet through, both ways.</summary>
    /// <returns>Packets that came from the device or were answers, and frames that left by it.</returns>
    public (int Packets, int Frames) Pass()
    {
        int packets = 0;
        int frames = 0;
        foreach (bool isIPv6 in (ReadOnlySpan<bool>)[false, true])
        {
            foreach ((byte protocol, byte hops, int length) in (ReadOnlySpan<(byte, byte, int)>)[(17, 64, 100), (Tcp, 64, 100), (17, 1, 100), (17, 64, 1500)])
            {
                byte[] frame = Frame(isIPv6, protocol, hops, length);
                Arrive(frame);
                _burst.Clear();
                packets += Port.Receive(_burst);
                fixed (byte* bytes = frame)
                {
                    _burst.Clear();
                    _burst.Data[0] = (nint)bytes + FrameReader.EthernetSize;
                    _burst.Length[0] = length;
                    _burst.Count = 1;
                    Port.Send(_burst);
                }

                frames += Leave();
            }
        }

        _burst.Clear();
        packets += Port.Receive(_burst);
        return (packets, frames);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Port.Dispose();
        _queue.Dispose();
        Array.ForEach(_theirs, ring => ring.Dispose());
        _memory.Dispose();
        _tun.Dispose();
        _arena.Dispose();
    }

    private static IPAddress Host(bool isIPv6) => isIPv6 ? IPAddress.Parse("2001:db8::2") : IPAddress.Parse("192.0.2.2");

    private static LanTables Tables()
    {
        const ulong Mac = 0x0200_0000_0002;
        IPAddress[] hosts = [Host(false), Host(true)];
        return LanTables.Make(
            Device,
            new PathLink(IsEthernet: true, IsRunning: true, 1450, Mac, 1),
            Tunnel,
            [new Route(IPNetwork.Parse("192.0.2.0/24"), Device, Route.MainTable), new Route(IPNetwork.Parse("2001:db8::/64"), Device, Route.MainTable)],
            hosts.ToDictionary(HostAddress.From, host => new LanNeighbour(host, Mac)),
            [new LinkAddress(Device, IPAddress.Parse("192.0.2.1"), 24), new LinkAddress(Device, IPAddress.Parse("2001:db8::1"), 64)]);
    }

    private XdpRing[] Rings() => [.. Enumerable.Range(0, 4).Select(place =>
    {
        var offsets = new xdp_ring_offset { producer = 0, consumer = 64, flags = 128, desc = 192 };
        return XdpRing.Map(_memory.Value, place * RingBytes, in offsets, Frames, place < 2 ? sizeof(ulong) : sizeof(xdp_desc), out int error)
            ?? throw new PortException($"no memory for trying a gateway out: {Errno.Describe(error)}", error);
    })];

    private void Arrive(ReadOnlySpan<byte> frame)
    {
        if (_theirs[0].Ready == 0)
        {
            return;
        }

        ulong at = _theirs[0].Frame(0) + Headroom;
        frame.CopyTo(new Span<byte>(_arena.Address + at, frame.Length));
        _theirs[2].Descriptor(0) = new xdp_desc { addr = at, len = (uint)frame.Length };
        _theirs[0].Release(1);
        _theirs[2].Submit(1);
    }

    private int Leave()
    {
        uint count = _theirs[3].Ready;
        for (uint i = 0; i < count; i++)
        {
            _theirs[1].Frame(i) = _theirs[3].Descriptor(i).addr;
        }

        _theirs[3].Release(count);
        _theirs[1].Submit(count);
        return (int)count;
    }
}
