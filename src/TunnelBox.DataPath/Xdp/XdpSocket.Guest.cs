using System.Numerics;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <content>A further socket on a queue that has one.</content>
internal sealed unsafe partial class XdpSocket
{
    /// <summary>Opens another socket on a queue, which shares its fill and completion rings and has an RX ring alone.</summary>
    /// <param name="home">The queue's first socket.</param>
    /// <param name="ifindex">The device, in the calling thread's network namespace.</param>
    /// <param name="entries">Entries of the ring.</param>
    /// <param name="error">0, or −errno.</param>
    /// <returns>The socket, or null.</returns>
    public static XdpSocket? OpenGuest(XdpSocket home, int ifindex, uint entries, out int error)
    {
        int fd = LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW | Definitions.SOCK_CLOEXEC, 0);
        error = Math.Min(fd, 0);
        if (fd < 0)
        {
            return null;
        }

        var socket = new XdpSocket(new FileDescriptor(fd), home.Device, home.Queue, ifindex, null) { Mode = home.Mode, ModeReason = home.ModeReason };
        error = socket.MapReceive(BitOperations.RoundUpToPowerOf2(entries));
        error = error < 0 ? error : socket.Bind(ifindex, Definitions.XDP_SHARED_UMEM, home.Descriptor);
        if (error == 0)
        {
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
}
