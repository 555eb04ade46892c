using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tun;

/// <summary>
/// Cuts one unsegmented TCP or UDP packet into the packets it stands for, as a cursor: it fills a burst and goes on with the
/// next one. Each segment gets a slot of its own with the room that sealing in place needs; payload is copied and summed in
/// one pass.
/// </summary>
/// <remarks>
/// The kernel leaves the folded pseudo-header sum, with the length of the whole, in the checksum field (CHECKSUM_PARTIAL).
/// The segments' checksums are derived from it, as the kernel itself does, so that a routing header needs no special care.
/// </remarks>
internal sealed unsafe class GsoSplitter
{
    /// <summary>Largest payload of a UDP message over IPv4.</summary>
    private const int LargestMessage = 65507;

    private byte* _packet;
    private int _transport;
    private int _headers;
    private int _payload;
    private int _segment;
    private int _offset;
    private int _stride;
    private int _limit;
    private bool _isIPv6;
    private bool _udp;
    private ushort _id;
    private uint _sequence;
    private byte _flags;
    private ulong _ipSum;
    private ulong _transportSum;

    /// <summary>Gets a value indicating whether segments remain.</summary>
    public bool Active => _packet != null;

    /// <summary>Gets how many packets a burst should hold when its last ones came from a super-packet.</summary>
    public int Limit => _limit;

    /// <summary>Takes on a packet, if its header agrees with it.</summary>
    /// <param name="header">The virtio header.</param>
    /// <param name="packet">The packet; must stay where it is, with 64 readable bytes behind it, until no segments remain.</param>
    /// <param name="length">Its bytes.</param>
    /// <returns>False when header and packet contradict each other; nothing is taken on then.</returns>
    public bool Begin(virtio_net_hdr* header, byte* packet, int length)
    {
        _packet = null;
        int type = header->gso_type & ~Definitions.VIRTIO_NET_HDR_GSO_ECN;
        _udp = type == Definitions.VIRTIO_NET_HDR_GSO_UDP_L4;
        int protocol = _udp ? Definitions.IPPROTO_UDP : Definitions.IPPROTO_TCP;
        _transport = header->csum_start;
        _segment = header->gso_size;
        if (length < 20 || length > 65535 || _segment == 0 || (header->flags & Definitions.VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0
            || header->csum_offset != (_udp ? SegmentHeaders.UdpChecksum : SegmentHeaders.TcpChecksum))
        {
            return false;
        }

        _isIPv6 = packet[0] >> 4 == 6;
        bool network = (type, packet[0] >> 4) switch
        {
            (Definitions.VIRTIO_NET_HDR_GSO_TCPV4, 4) or (Definitions.VIRTIO_NET_HDR_GSO_UDP_L4, 4) => AcceptIPv4(packet, length, protocol),
            (Definitions.VIRTIO_NET_HDR_GSO_TCPV6, 6) or (Definitions.VIRTIO_NET_HDR_GSO_UDP_L4, 6) => AcceptIPv6(packet, length, protocol),
            _ => false,
        };
        if (!network || !AcceptTransport(packet, length))
        {
            return false;
        }

        _payload = length - _headers;
        _offset = 0;
        int slot = Burst.Headroom + _headers + Math.Min(_segment, _payload) + Burst.Tailroom;
        _stride = OddLines(slot);
        _limit = MessageLimit(_headers + _segment);
        _packet = packet;
        return true;
    }

    /// <summary>Appends segments until the burst or the memory is full or none remain.</summary>
    /// <param name="burst">Appended to.</param>
    /// <param name="cursor">Where the next slot may start, a multiple of 64; moved on.</param>
    /// <param name="end">End of the memory.</param>
    public void Fill(Burst burst, ref byte* cursor, byte* end)
    {
        int index = burst.Count;
        byte* slot = cursor;
        int capacity = index < _limit ? _limit : Burst.Capacity;
        while (_packet != null && index < capacity && slot + _stride <= end)
        {
            byte* data = slot + Burst.Headroom;
            int payload = Math.Min(_segment, _payload - _offset);
            CopyHeaders(data);
            ulong sum = Checksum.CopyAndSum(data + _headers, _packet + _headers + _offset, payload);
            bool last = _offset + payload == _payload;
            WriteNetwork(data, payload);
            if (_udp)
            {
                WriteUdp(data + _transport, payload, sum);
            }
            else
            {
                WriteTcp(data + _transport, payload, sum, last);
            }

            burst.Data[index] = (nint)data;
            burst.Length[index] = _headers + payload;
            index++;
            slot += _stride;
            _offset += payload;
            if (last)
            {
                _packet = null;
            }
        }

        burst.Count = index;
        cursor = slot;
    }

    /// <summary>
    /// How many segments a burst should hold: as many as one UDP_SEGMENT message takes once they are padded and sealed. Bursts
    /// of 64 would leave as a large and a small message each time, and every message costs the same to send and to receive.
    /// </summary>
    /// <param name="length">Bytes of a segment with its headers.</param>
    /// <returns>At most a burst; a whole burst where messages hold less than half of one.</returns>
    internal static int MessageLimit(int length)
    {
        int sealedLength = ((length + 15) & ~15) + 32;
        int fit = LargestMessage / sealedLength;
        return fit is >= Burst.Capacity or < Burst.Capacity / 2 ? Burst.Capacity : fit;
    }

    /// <summary>Rounds up to an odd number of cache lines, so that equal offsets of neighbouring slots fall into different sets.</summary>
    /// <param name="bytes">At least so many.</param>
    /// <returns>A multiple of 64.</returns>
    internal static int OddLines(int bytes) => (((bytes + 63) >> 6) | 1) << 6;

    private bool AcceptIPv4(byte* packet, int length, int protocol)
    {
        int header = (packet[0] & 15) * 4;
        if (header < 20 || header != _transport || packet[9] != protocol || SegmentHeaders.Read16(packet + 2) != length
            || (SegmentHeaders.Read16(packet + 6) & 0x3FFF) != 0 || header > length)
        {
            return false;
        }

        _id = SegmentHeaders.Read16(packet + 4);
        _ipSum = Checksum.Sum(packet, header)
            + Without(SegmentHeaders.Raw16(packet + 2)) + Without(SegmentHeaders.Raw16(packet + 4)) + Without(SegmentHeaders.Raw16(packet + 10));
        return true;
    }

    private bool AcceptIPv6(byte* packet, int length, int protocol) =>
        length >= 40 && _transport >= 40 && _transport < length && SegmentHeaders.Read16(packet + 4) + 40 == length
        && SegmentHeaders.ReachesTransport(packet, _transport, protocol);

    private bool AcceptTransport(byte* packet, int length)
    {
        byte* transport = packet + _transport;
        int available = length - _transport;
        int header;
        if (_udp)
        {
            header = 8;
            if (available < 8 || SegmentHeaders.Read16(transport + 4) != available)
            {
                return false;
            }

            // Both the header's length field and the pseudo header's are added anew for each segment.
            _transportSum = SegmentHeaders.Raw16(transport) + (ulong)SegmentHeaders.Raw16(transport + 2);
        }
        else
        {
            if (available < 20)
            {
                return false;
            }

            header = (transport[12] >> 4) * 4;
            if (header < 20 || header > available)
            {
                return false;
            }

            _sequence = SegmentHeaders.Read32(transport + 4);
            _flags = transport[13];
            _transportSum = Checksum.Sum(transport, header)
                + Without(SegmentHeaders.Raw16(transport + 4)) + Without(SegmentHeaders.Raw16(transport + 6))
                + Without(SegmentHeaders.Raw16(transport + 12)) + Without(SegmentHeaders.Raw16(transport + 16));
        }

        int checksum = _udp ? SegmentHeaders.UdpChecksum : SegmentHeaders.TcpChecksum;
        _transportSum += SegmentHeaders.Raw16(transport + checksum) + Without(SegmentHeaders.Network16((ushort)available));
        _headers = _transport + header;
        return true;
    }

    /// <summary>What takes a word out of a one's-complement sum again: its complement.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Without(ushort word) => (ushort)~word;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void CopyHeaders(byte* data)
    {
        // The payload is written over what this copies too much.
        if (Vector256.IsHardwareAccelerated && _headers <= 64)
        {
            Vector256.Load(_packet).Store(data);
            Vector256.Load(_packet + 32).Store(data + 32);
        }
        else
        {
            Unsafe.CopyBlockUnaligned(data, _packet, (uint)_headers);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteNetwork(byte* data, int payload)
    {
        if (_isIPv6)
        {
            SegmentHeaders.Write16(data + 4, _headers - 40 + payload);
            return;
        }

        ushort length = SegmentHeaders.Network16((ushort)(_headers + payload));
        ushort id = SegmentHeaders.Network16(_id++);
        SegmentHeaders.WriteRaw16(data + 2, length);
        SegmentHeaders.WriteRaw16(data + 4, id);
        SegmentHeaders.WriteRaw16(data + 10, (ushort)~Checksum.Fold(_ipSum + length + id));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteTcp(byte* transport, int payload, ulong sum, bool last)
    {
        uint sequence = _sequence + (uint)_offset;
        SegmentHeaders.Write32(transport + 4, sequence);

        // FIN and PSH belong to the last segment, CWR to the first (RFC 3168, section 6.1.2).
        byte flags = _flags;
        flags &= last ? (byte)0xFF : unchecked((byte)~(SegmentHeaders.Fin | SegmentHeaders.Psh));
        flags &= _offset == 0 ? (byte)0xFF : unchecked((byte)~SegmentHeaders.Cwr);
        transport[13] = flags;
        sum += _transportSum + Unsafe.ReadUnaligned<uint>(transport + 4) + SegmentHeaders.Raw16(transport + 12)
            + SegmentHeaders.Network16((ushort)(_headers - _transport + payload));
        SegmentHeaders.WriteRaw16(transport + SegmentHeaders.TcpChecksum, (ushort)~Checksum.Fold(sum));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteUdp(byte* transport, int payload, ulong sum)
    {
        ushort length = SegmentHeaders.Network16((ushort)(8 + payload));
        SegmentHeaders.WriteRaw16(transport + 4, length);
        SegmentHeaders.StoreChecksum(transport + SegmentHeaders.UdpChecksum, sum + _transportSum + length + length);
    }
}
