using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TunnelBox.DataPath.Udp;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>What the kernel's tables say of the way to an endpoint.</summary>
/// <param name="Source">Our address, as in <see cref="EndpointAddress"/>.</param>
/// <param name="OwnMac">The device's Ethernet address, 48 bits in network order.</param>
/// <param name="NextMac">The next hop's.</param>
/// <param name="HopLimit">TTL or hop limit.</param>
/// <param name="Mtu">Bytes of the largest IP packet that goes unbroken.</param>
internal readonly record struct XdpWay(UInt128 Source, ulong OwnMac, ulong NextMac, byte HopLimit, int Mtu);

/// <summary>The headers of every datagram to one endpoint, made once; only lengths, mark, identification and checksums differ.</summary>
internal sealed unsafe class XdpPath
{
    /// <summary>Bytes before a payload's place that <see cref="Build"/> may write: one store of all headers.</summary>
    public const int Room = 64;

    // The headers stand at the end, so that one store of 64 bytes ends where the payload begins.
    private readonly byte[] _template = new byte[Room];
    private readonly int _largest = -1;
    private readonly bool _isIPv6;
    private readonly ulong _pseudoSum;
    private readonly ulong _seed;
    private readonly ulong _headerSum;
    private int _used;

    /// <summary>Makes a path.</summary>
    /// <param name="remote">Where to.</param>
    /// <param name="port">Our port.</param>
    /// <param name="way">The way; null when the kernel must send: no route over the device, or an unresolved neighbour.</param>
    public XdpPath(in EndpointAddress remote, ushort port, XdpWay? way)
    {
        Way = way;
        _isIPv6 = remote.IsIPv6;
        if (way is not { } known)
        {
            return;
        }

        int ip = FrameReader.EthernetSize;
        int udp = ip + (_isIPv6 ? FrameReader.IPv6Size : FrameReader.IPv4Size);
        HeaderSize = udp + FrameReader.UdpSize;
        _largest = known.Mtu - (HeaderSize - FrameReader.EthernetSize);
        Span<byte> frame = _template.AsSpan(Room - HeaderSize);
        Span<byte> mac = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(mac, known.NextMac);
        mac[2..].CopyTo(frame);
        BinaryPrimitives.WriteUInt64BigEndian(mac, known.OwnMac);
        mac[2..].CopyTo(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], _isIPv6 ? FrameReader.IPv6 : FrameReader.IPv4);
        fixed (byte* headers = frame)
        {
            byte* addresses;
            if (_isIPv6)
            {
                headers[ip] = 0x60;
                headers[ip + 6] = FrameReader.Udp;
                headers[ip + 7] = known.HopLimit;
                addresses = headers + ip + 8;
                SocketAddress.WriteAddress(known.Source, addresses);
                SocketAddress.WriteAddress(remote.Address, addresses + 16);
            }
            else
            {
                headers[ip] = 0x45;
                headers[ip + 8] = known.HopLimit;
                headers[ip + 9] = FrameReader.Udp;
                addresses = headers + ip + 12;
                BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(addresses, 4), (uint)known.Source);
                BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(addresses + 4, 4), (uint)remote.Address);
                _headerSum = Checksum.SumHeader(headers + ip);
            }

            BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(headers + udp, 2), port);
            BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(headers + udp + 2, 2), remote.Port);

            // The pseudo header (RFC 768, RFC 8200 section 8.1) but for the length, and the ports.
            _pseudoSum = Checksum.Sum(addresses, (int)(headers + udp + 4 - addresses), BinaryPrimitives.ReverseEndianness((ushort)FrameReader.Udp));
            _seed = Checksum.Sum(addresses, (int)(headers + udp - addresses), BinaryPrimitives.ReverseEndianness((ushort)FrameReader.Udp));
        }
    }

    /// <summary>Gets the way, or null when the kernel must send.</summary>
    public XdpWay? Way { get; }

    /// <summary>Gets the bytes of all headers; 0 when the kernel must send.</summary>
    public int HeaderSize { get; }

    /// <summary>Gets a value indicating whether a datagram of this size goes this way.</summary>
    /// <param name="payload">Its payload in bytes.</param>
    /// <returns>False where the kernel must send it.</returns>
    public bool Takes(int payload) => payload <= _largest;

    /// <summary>Notes that a packet wanted to go this way.</summary>
    public void Use()
    {
        // Written only when it changes: other workers read the same line.
        if (_used == 0)
        {
            Volatile.Write(ref _used, 1);
        }
    }

    /// <summary>Tells whether a packet wanted to go this way since it was last asked.</summary>
    /// <returns>The answer.</returns>
    public bool WasUsed() => Interlocked.Exchange(ref _used, 0) != 0;

    /// <summary>Copies a payload into a frame and puts the headers before it.</summary>
    /// <param name="to">Where the payload goes; <see cref="Room"/> bytes before it are written too.</param>
    /// <param name="from">The payload.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="tos">Type of service or traffic class.</param>
    /// <param name="identification">IPv4's identification, since the packet may be broken up on its way.</param>
    public void Build(byte* to, byte* from, int length, byte tos, ushort identification) =>
        Finish(to, length, Checksum.CopyAndSum(to, from, length, Begin(length)), tos, identification);

    /// <summary>The sum that the payload is to be added to, before <see cref="Finish"/>.</summary>
    /// <param name="length">Bytes of the payload.</param>
    /// <returns>The sum of the pseudo header and the UDP header.</returns>
    public ulong Begin(int length)
    {
        ushort wireLength = BinaryPrimitives.ReverseEndianness((ushort)(length + FrameReader.UdpSize));
        return _pseudoSum + wireLength + wireLength;
    }

    /// <summary>Puts the headers before a payload that is in its place.</summary>
    /// <param name="to">The payload, or the first piece of it; <see cref="Room"/> bytes before it are written.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="sum">What <see cref="Begin"/> gave, and the payload's sum.</param>
    /// <param name="tos">Type of service or traffic class.</param>
    /// <param name="identification">IPv4's identification.</param>
    public void Finish(byte* to, int length, ulong sum, byte tos, ushort identification)
    {
        ushort checksum = (ushort)~Checksum.Fold(sum);
        Write(to, length, checksum == 0 ? (ushort)0xFFFF : checksum, tos, identification);
    }

    /// <summary>Puts the headers before a payload whose checksum the device finishes: in its place stands the pseudo header's sum.</summary>
    /// <param name="to">The payload, or the first piece of it; <see cref="Room"/> bytes before it are written.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="tos">Type of service or traffic class.</param>
    /// <param name="identification">IPv4's identification.</param>
    public void FinishForDevice(byte* to, int length, byte tos, ushort identification) =>
        Write(to, length, Checksum.Fold(_seed + BinaryPrimitives.ReverseEndianness((ushort)(length + FrameReader.UdpSize))), tos, identification);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Write(byte* to, int length, ushort checksum, byte tos, ushort identification)
    {
        Vector512.LoadUnsafe(ref _template[0]).Store(to - Room);
        ushort wireLength = BinaryPrimitives.ReverseEndianness((ushort)(length + FrameReader.UdpSize));
        byte* udp = to - FrameReader.UdpSize;

        // Length and checksum in one store.
        Unsafe.WriteUnaligned(udp + 4, wireLength | ((uint)checksum << 16));
        if (_isIPv6)
        {
            byte* ip = udp - FrameReader.IPv6Size;
            ip[0] = (byte)(0x60 | (tos >> 4));
            ip[1] = (byte)(tos << 4);
            Unsafe.WriteUnaligned(ip + 4, wireLength);
        }
        else
        {
            // What varies is added to the sum of what does not.
            byte* ip = udp - FrameReader.IPv4Size;
            ushort total = BinaryPrimitives.ReverseEndianness((ushort)(length + FrameReader.UdpSize + FrameReader.IPv4Size));
            ushort number = BinaryPrimitives.ReverseEndianness(identification);
            Unsafe.WriteUnaligned(ip, 0x45u | ((uint)tos << 8) | ((uint)total << 16));
            Unsafe.WriteUnaligned(ip + 4, number);
            Unsafe.WriteUnaligned(ip + 10, (ushort)~Checksum.Fold(_headerSum + ((uint)tos << 8) + total + number));
        }
    }
}
