using System.Numerics;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <content>A further socket on a queue that has one.</content>
internal sealed unsafe partial class XdpSocket
{
    /// <summary>Opens another socket on a queue, which shares its fill and completion rings and has an RX ring, and a TX ring where it is to transmit.</summary>
    /// <param name="home">The queue's first socket.</param>
    /// <param name="ifindex">The device, in the calling thread's network namespace.</param>
    /// <param name="entries">Entries of each ring.</param>
    /// <param name="error">0, or −errno.</param>
    /// <param name="transmits">Whether it is to transmit.</param>
    /// <returns>The socket, or null.</returns>
    public static XdpSocket? OpenGuest(XdpSocket home, int ifindex, uint entries, out int error, bool transmits = false)
    {
        int fd = LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW | Definitions.SOCK_CLOEXEC, 0);
        error = Math.Min(fd, 0);
        if (fd < 0)
        {
            return null;
        }

        var socket = new XdpSocket(new FileDescriptor(fd), home.Device, home.Queue, ifindex, null) { Mode = home.Mode, ModeReason = home.ModeReason, MetadataSize = home.MetadataSize };
        entries = BitOperations.RoundUpToPowerOf2(entries);
        error = socket.MapReceive(entries);
        error = error < 0 || !transmits ? error : socket.MapTransmit(entries);
        error = error < 0 ? error : socket.Bind(ifindex, Definitions.XDP_SHARED_UMEM, home.Descriptor);
        if (error == 0)
        {
            if (transmits)
            {
                socket.TransmitBursts();
            }

            return socket;
        }

        socket.Dispose();
        return null;
    }

    private int MapReceive(uint entries)
    {
        int error = LibC.setsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_RX_RING, (int)entries);
        xdp_mmap_offsets offsets = default;
        uint length = (uint)sizeof(xdp_mmap_offsets);
        error = error < 0 ? error : LibC.getsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_MMAP_OFFSETS, &offsets, &length);
        if (error < 0)
        {
            return error;
        }

        Receive = XdpRing.Map(Descriptor, Definitions.XDP_PGOFF_RX_RING, offsets.rx, entries, sizeof(xdp_desc), out error)!;
        return error;
    }

    private int MapTransmit(uint entries)
    {
        int error = LibC.setsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_TX_RING, (int)entries);
        xdp_mmap_offsets offsets = default;
        uint length = (uint)sizeof(xdp_mmap_offsets);
        error = error < 0 ? error : LibC.getsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_MMAP_OFFSETS, &offsets, &length);
        if (error < 0)
        {
            return error;
        }

        Transmit = XdpRing.Map(Descriptor, Definitions.XDP_PGOFF_TX_RING, offsets.tx, entries, sizeof(xdp_desc), out error)!;
        return error;
    }

    // One call transmits a whole burst; older kernels do 32 frames a call.
    private void TransmitBursts()
    {
        _ = LibC.setsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_MAX_TX_SKB_BUDGET, Burst.Capacity);
        if (LibC.setsockopt(Descriptor, Definitions.SOL_SOCKET, Definitions.SO_SNDBUFFORCE, SendBuffer) < 0)
        {
            _ = LibC.setsockopt(Descriptor, Definitions.SOL_SOCKET, Definitions.SO_SNDBUF, SendBuffer);
        }
    }
}
