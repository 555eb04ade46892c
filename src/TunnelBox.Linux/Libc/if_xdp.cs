using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>linux/if_xdp.h.</content>
public static partial class Definitions
{
    /// <summary>AF_XDP sockets.</summary>
    public const int AF_XDP = 44;

    /// <summary>Options of AF_XDP sockets.</summary>
    public const int SOL_XDP = 283;

    /// <summary>The socket takes its memory from another one, and with it that one's mode.</summary>
    public const ushort XDP_SHARED_UMEM = 1 << 0;

    /// <summary>Bind in copy mode.</summary>
    public const ushort XDP_COPY = 1 << 1;

    /// <summary>Bind in zero-copy mode or not at all.</summary>
    public const ushort XDP_ZEROCOPY = 1 << 2;

    /// <summary>The rings tell whether the kernel must be woken.</summary>
    public const ushort XDP_USE_NEED_WAKEUP = 1 << 3;

    /// <summary>Frames may take several chunks (Linux 6.6).</summary>
    public const ushort XDP_USE_SG = 1 << 4;

    /// <summary>In <see cref="xdp_desc.options"/>: the frame goes on in the next descriptor.</summary>
    public const uint XDP_PKT_CONTD = 1 << 0;

    /// <summary>In <see cref="xdp_desc.options"/>: <see cref="xsk_tx_metadata"/> stands before the frame (Linux 6.8).</summary>
    public const uint XDP_TX_METADATA = 1 << 1;

    /// <summary>In <see cref="xdp_umem_reg.flags"/>: <see cref="xdp_umem_reg.tx_metadata_len"/> is set (Linux 6.11).</summary>
    public const uint XDP_UMEM_TX_METADATA_LEN = 1 << 2;

    /// <summary>In <see cref="xsk_tx_metadata.flags"/>: the device is to finish a checksum.</summary>
    public const ulong XDP_TXMD_FLAGS_CHECKSUM = 1 << 1;

    /// <summary>Reads where the rings' indices lie (xdp_mmap_offsets).</summary>
    public const int XDP_MMAP_OFFSETS = 1;

    /// <summary>Sets the entries of the RX ring.</summary>
    public const int XDP_RX_RING = 2;

    /// <summary>Sets the entries of the TX ring.</summary>
    public const int XDP_TX_RING = 3;

    /// <summary>Registers memory for frames (xdp_umem_reg).</summary>
    public const int XDP_UMEM_REG = 4;

    /// <summary>Sets the entries of the fill ring.</summary>
    public const int XDP_UMEM_FILL_RING = 5;

    /// <summary>Sets the entries of the completion ring.</summary>
    public const int XDP_UMEM_COMPLETION_RING = 6;

    /// <summary>Reads what the kernel dropped (xdp_statistics).</summary>
    public const int XDP_STATISTICS = 7;

    /// <summary>Reads the mode in force (xdp_options).</summary>
    public const int XDP_OPTIONS = 8;

    /// <summary>Sets how many frames one call transmits in copy mode (Linux 6.17).</summary>
    public const int XDP_MAX_TX_SKB_BUDGET = 9;

    /// <summary>In <see cref="xdp_options.flags"/>: the socket is in zero-copy mode.</summary>
    public const uint XDP_OPTIONS_ZEROCOPY = 1 << 0;

    /// <summary>In a ring's flags: the kernel waits for a system call.</summary>
    public const uint XDP_RING_NEED_WAKEUP = 1 << 0;

    /// <summary>Where mmap(2) finds the RX ring.</summary>
    public const long XDP_PGOFF_RX_RING = 0;

    /// <summary>Where mmap(2) finds the TX ring.</summary>
    public const long XDP_PGOFF_TX_RING = 0x80000000;

    /// <summary>Where mmap(2) finds the fill ring.</summary>
    public const long XDP_UMEM_PGOFF_FILL_RING = 0x100000000;

    /// <summary>Where mmap(2) finds the completion ring.</summary>
    public const long XDP_UMEM_PGOFF_COMPLETION_RING = 0x180000000;
}

/// <summary>struct sockaddr_xdp of linux/if_xdp.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct sockaddr_xdp
{
    /// <summary>AF_XDP.</summary>
    public ushort sxdp_family;

    /// <summary>XDP_SHARED_UMEM, XDP_COPY and the like.</summary>
    public ushort sxdp_flags;

    /// <summary>The device.</summary>
    public uint sxdp_ifindex;

    /// <summary>Its queue.</summary>
    public uint sxdp_queue_id;

    /// <summary>The socket whose memory is shared.</summary>
    public uint sxdp_shared_umem_fd;
}

/// <summary>struct xdp_ring_offset of linux/if_xdp.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct xdp_ring_offset
{
    /// <summary>Of the producer's index.</summary>
    public ulong producer;

    /// <summary>Of the consumer's index.</summary>
    public ulong consumer;

    /// <summary>Of the entries.</summary>
    public ulong desc;

    /// <summary>Of the flags.</summary>
    public ulong flags;
}

/// <summary>struct xdp_mmap_offsets of linux/if_xdp.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct xdp_mmap_offsets
{
    /// <summary>RX ring.</summary>
    public xdp_ring_offset rx;

    /// <summary>TX ring.</summary>
    public xdp_ring_offset tx;

    /// <summary>Fill ring.</summary>
    public xdp_ring_offset fr;

    /// <summary>Completion ring.</summary>
    public xdp_ring_offset cr;
}

/// <summary>struct xdp_umem_reg of linux/if_xdp.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct xdp_umem_reg
{
    /// <summary>Start, on a page.</summary>
    public ulong addr;

    /// <summary>Bytes.</summary>
    public ulong len;

    /// <summary>Bytes of a frame: 2048 to a page, a power of 2.</summary>
    public uint chunk_size;

    /// <summary>Bytes left free before each received frame, beside the kernel's own 256.</summary>
    public uint headroom;

    /// <summary>XDP_UMEM_*.</summary>
    public uint flags;

    /// <summary>Bytes before each frame to transmit that metadata takes; padding before Linux 6.8.</summary>
    public uint tx_metadata_len;
}

/// <summary>struct xsk_tx_metadata of linux/if_xdp.h (Linux 6.8), as it asks; the kernel answers in the same place.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct xsk_tx_metadata
{
    /// <summary>XDP_TXMD_FLAGS_*.</summary>
    public ulong flags;

    /// <summary>Where the checksummed bytes begin, counted from the frame's first byte.</summary>
    public ushort csum_start;

    /// <summary>Where the checksum stands, counted from there.</summary>
    public ushort csum_offset;

    /// <summary>When to transmit, nanoseconds.</summary>
    public ulong launch_time;
}

/// <summary>struct xdp_statistics of linux/if_xdp.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct xdp_statistics
{
    /// <summary>Dropped for reasons other than invalid descriptors and a full RX ring.</summary>
    public ulong rx_dropped;

    /// <summary>Invalid entries of the fill ring.</summary>
    public ulong rx_invalid_descs;

    /// <summary>Invalid entries of the TX ring.</summary>
    public ulong tx_invalid_descs;

    /// <summary>Dropped because the RX ring was full.</summary>
    public ulong rx_ring_full;

    /// <summary>The fill ring was found empty.</summary>
    public ulong rx_fill_ring_empty_descs;

    /// <summary>The TX ring was found empty.</summary>
    public ulong tx_ring_empty_descs;
}

/// <summary>struct xdp_options of linux/if_xdp.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct xdp_options
{
    /// <summary>XDP_OPTIONS_*.</summary>
    public uint flags;
}

/// <summary>struct xdp_desc of linux/if_xdp.h: an entry of the RX or TX ring.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct xdp_desc
{
    /// <summary>The frame's first byte, from the start of the registered memory.</summary>
    public ulong addr;

    /// <summary>Its bytes.</summary>
    public uint len;

    /// <summary>XDP_PKT_CONTD and the like.</summary>
    public uint options;
}
