using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>linux/virtio_net.h.</content>
public static partial class Definitions
{
    /// <summary>The checksum is to be finished from csum_start.</summary>
    public const byte VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;

    /// <summary>The checksum was verified.</summary>
    public const byte VIRTIO_NET_HDR_F_DATA_VALID = 2;

    /// <summary>One packet.</summary>
    public const byte VIRTIO_NET_HDR_GSO_NONE = 0;

    /// <summary>TCP over IPv4 to be segmented.</summary>
    public const byte VIRTIO_NET_HDR_GSO_TCPV4 = 1;

    /// <summary>UDP to be fragmented.</summary>
    public const byte VIRTIO_NET_HDR_GSO_UDP = 3;

    /// <summary>TCP over IPv6 to be segmented.</summary>
    public const byte VIRTIO_NET_HDR_GSO_TCPV6 = 4;

    /// <summary>UDP to be segmented.</summary>
    public const byte VIRTIO_NET_HDR_GSO_UDP_L4 = 5;

    /// <summary>The TCP segments carry ECN.</summary>
    public const byte VIRTIO_NET_HDR_GSO_ECN = 0x80;
}

/// <summary>struct virtio_net_hdr of linux/virtio_net.h, as TUN uses it: 10 bytes in host byte order.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct virtio_net_hdr
{
    /// <summary>VIRTIO_NET_HDR_F_*.</summary>
    public byte flags;

    /// <summary>VIRTIO_NET_HDR_GSO_*.</summary>
    public byte gso_type;

    /// <summary>Bytes of all headers; a hint.</summary>
    public ushort hdr_len;

    /// <summary>Payload bytes of a segment.</summary>
    public ushort gso_size;

    /// <summary>Where the checksummed range starts.</summary>
    public ushort csum_start;

    /// <summary>Where in that range the checksum is stored.</summary>
    public ushort csum_offset;
}
