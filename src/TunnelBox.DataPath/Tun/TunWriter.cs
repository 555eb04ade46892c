using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tun;

/// <summary>Writes groups of packets into a TUN queue: joined ones as one super-packet, gathered from where they lie.</summary>
internal sealed unsafe class TunWriter : IDisposable
{
    /// <summary>Room for the virtio header and the longest headers: 40 of IPv6 and 60 of TCP.</summary>
    private const int HeaderRoom = 128;

    private readonly int _fd;
    private readonly TunOffloads _offloads;
    private readonly GroTable _table = new();
    private readonly NativeRegion _memory;
    private readonly iovec* _pieces;
    private readonly byte* _head;

    /// <summary>Initializes a new instance of the <see cref="TunWriter"/> class.</summary>
    /// <param name="fd">The queue; not owned.</param>
    /// <param name="offloads">What is in force.</param>
    public TunWriter(int fd, TunOffloads offloads)
    {
        _fd = fd;
        _offloads = offloads;
        _memory = new NativeRegion((nuint)(HeaderRoom + ((Burst.Capacity + 1) * sizeof(iovec))));
        _head = _memory.Address;
        _pieces = (iovec*)(_head + HeaderRoom);
    }

    /// <summary>Gets a value indicating whether the kernel said that the interface was deleted.</summary>
    public bool Gone { get; private set; }

    /// <summary>Gets how many packets and super-packets were written.</summary>
    public long Writes { get; private set; }

    /// <summary>Writes every packet that is still on its way, and sets the verdicts.</summary>
    /// <param name="burst">The packets, each with 16 bytes before it that may be overwritten.</param>
    public void Write(Burst burst)
    {
        if (!_offloads.Header)
        {
            for (int i = 0; i < burst.Count; i++)
            {
                if (burst.Verdict[i] == Verdict.Continue)
                {
                    Writes++;
                    Settle(burst, i, (int)LibC.write(_fd, (byte*)burst.Data[i], (nuint)burst.Length[i]));
                }
            }

            return;
        }

        _table.Clear();
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                _table.Add(i, (byte*)burst.Data[i], burst.Length[i], _offloads);
            }
        }

        foreach (ref GroGroup group in _table.Groups)
        {
            if (group.Count == 1)
            {
                WriteOne(burst, group.FirstIndex, group.Packet.Verified);
            }
            else
            {
                WriteJoined(burst, ref group);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    /// <summary>Writes one packet with its header in front of it.</summary>
    private void WriteOne(Burst burst, int index, bool verified)
    {
        var header = (virtio_net_hdr*)((byte*)burst.Data[index] - sizeof(virtio_net_hdr));
        Writes++;
        *header = default;
        header->flags = verified ? Definitions.VIRTIO_NET_HDR_F_DATA_VALID : (byte)0;
        Settle(burst, index, (int)LibC.write(_fd, header, (nuint)(burst.Length[index] + sizeof(virtio_net_hdr))));
    }

    private void WriteJoined(Burst burst, ref GroGroup group)
    {
        WriteHeaders(ref group);
        int headers = group.Packet.Headers;
        _pieces[0].iov_base = _head;
        _pieces[0].iov_len = (nuint)(sizeof(virtio_net_hdr) + headers);
        int count = 1;
        for (int i = group.FirstIndex; i >= 0; i = _table.Next(i))
        {
            _pieces[count].iov_base = (byte*)burst.Data[i] + headers;
            _pieces[count].iov_len = (nuint)(burst.Length[i] - headers);
            count++;
        }

        Writes++;
        int error = (int)LibC.writev(_fd, _pieces, count);
        if (error is >= 0 or -Definitions.EIO or -Definitions.EBADFD or -Definitions.EAGAIN)
        {
            for (int i = group.FirstIndex; i >= 0; i = _table.Next(i))
            {
                Settle(burst, i, error);
            }

            return;
        }

        // Short of memory for one large packet, several small ones may still pass. Any other answer means that the
        // offload lies; the originals are untouched and go one by one.
        if (error is not (-Definitions.ENOBUFS or -Definitions.ENOMEM))
        {
            _offloads.Disable(((virtio_net_hdr*)_head)->gso_type, group.Packet.IsIPv6, error);
        }

        for (int i = group.FirstIndex; i >= 0; i = _table.Next(i))
        {
            WriteOne(burst, i, verified: true);
        }
    }

    private void WriteHeaders(ref GroGroup group)
    {
        ref GroPacket first = ref group.Packet;
        var header = (virtio_net_hdr*)_head;
        byte* packet = _head + sizeof(virtio_net_hdr);
        byte* transport = packet + first.Transport;
        Unsafe.CopyBlockUnaligned(packet, group.First, (uint)first.Headers);
        header->flags = Definitions.VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->hdr_len = (ushort)first.Headers;
        header->gso_size = (ushort)first.Payload;
        header->csum_start = (ushort)first.Transport;
        int length = group.Bytes - first.Transport;
        ulong sum = SegmentHeaders.Network16((ushort)length);
        if (first.Udp)
        {
            header->gso_type = Definitions.VIRTIO_NET_HDR_GSO_UDP_L4;
            header->csum_offset = SegmentHeaders.UdpChecksum;
            SegmentHeaders.Write16(transport + 4, length);
            sum += SegmentHeaders.PseudoSum(packet, first.IsIPv6, Definitions.IPPROTO_UDP);
        }
        else
        {
            header->gso_type = first.IsIPv6 ? Definitions.VIRTIO_NET_HDR_GSO_TCPV6 : Definitions.VIRTIO_NET_HDR_GSO_TCPV4;
            header->csum_offset = SegmentHeaders.TcpChecksum;
            transport[13] |= group.Push ? SegmentHeaders.Psh : (byte)0;
            sum += SegmentHeaders.PseudoSum(packet, first.IsIPv6, Definitions.IPPROTO_TCP);
        }

        // The kernel goes on from the pseudo header's sum.
        SegmentHeaders.WriteRaw16(transport + header->csum_offset, Checksum.Fold(sum));
        if (first.IsIPv6)
        {
            SegmentHeaders.Write16(packet + 4, group.Bytes - 40);
        }
        else
        {
            SegmentHeaders.Write16(packet + 2, group.Bytes);
            SegmentHeaders.WriteRaw16(packet + 10, 0);
            SegmentHeaders.WriteRaw16(packet + 10, (ushort)~Checksum.Fold(Checksum.Sum(packet, 20)));
        }
    }

    private void Settle(Burst burst, int index, int error)
    {
        if (error >= 0)
        {
            burst.Verdict[index] = Verdict.Done;
            return;
        }

        Gone |= error == -Definitions.EBADFD;
        burst.Drop(index, error is -Definitions.EAGAIN or -Definitions.ENOBUFS or -Definitions.ENOMEM
            ? DropReason.InNoQueueSpace
            : DropReason.InPortError);
    }
}
