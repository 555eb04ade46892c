using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tun;

/// <summary>The ioctls of a TUN descriptor; nothing here is hot.</summary>
internal static unsafe class TunControl
{
    private const uint Udp = Definitions.TUN_F_USO4 | Definitions.TUN_F_USO6;
    private const uint Tcp = Definitions.TUN_F_TSO4 | Definitions.TUN_F_TSO6;

    /// <summary>From everything to nothing; the kernel takes a set whole or not at all.</summary>
    private static ReadOnlySpan<uint> Steps =>
    [
        Definitions.TUN_F_CSUM | Tcp | Definitions.TUN_F_TSO_ECN | Udp,
        Definitions.TUN_F_CSUM | Tcp | Definitions.TUN_F_TSO_ECN,
        Definitions.TUN_F_CSUM | Tcp,
        Definitions.TUN_F_CSUM,
        0,
    ];

    /// <summary>Creates the interface, or attaches a queue (TUNSETIFF).</summary>
    /// <param name="queue">A fresh descriptor of /dev/net/tun.</param>
    /// <param name="name">In: the wanted name; out: the name given.</param>
    /// <param name="flags">IFF_*.</param>
    /// <returns>0, or −errno.</returns>
    public static int Attach(FileDescriptor queue, ref string name, int flags)
    {
        ifreq request = default;
        Encoding.UTF8.GetBytes(name, new Span<byte>(request.ifr_name, Definitions.IFNAMSIZ - 1));
        request.ifr_flags = (short)flags;
        int error = LibC.ioctl(queue.Value, Definitions.TUNSETIFF, &request);
        if (error >= 0)
        {
            name = Marshal.PtrToStringUTF8((nint)request.ifr_name) ?? name;
        }

        return error;
    }

    /// <summary>Reads the interface's name and flags (TUNGETIFF).</summary>
    /// <param name="queue">An attached descriptor.</param>
    /// <param name="flags">IFF_*, or −errno.</param>
    /// <returns>The name; empty on failure.</returns>
    public static string ReadName(FileDescriptor queue, out int flags)
    {
        ifreq request = default;
        int error = LibC.ioctl(queue.Value, Definitions.TUNGETIFF, &request);
        flags = error < 0 ? error : (ushort)request.ifr_flags;
        return error < 0 ? string.Empty : Marshal.PtrToStringUTF8((nint)request.ifr_name) ?? string.Empty;
    }

    /// <summary>Fixes the size of the virtio header and asks for offloads, step by step until the kernel agrees.</summary>
    /// <param name="queue">An attached descriptor with IFF_VNET_HDR.</param>
    /// <param name="offloads">Filled.</param>
    /// <param name="wanted">False leaves them all off.</param>
    public static void Negotiate(FileDescriptor queue, TunOffloads offloads, bool wanted)
    {
        int size = sizeof(virtio_net_hdr);
        int error = LibC.ioctl(queue.Value, Definitions.TUNSETVNETHDRSZ, &size);
        if (error < 0)
        {
            throw new PortException($"The TUN driver refused a virtio header of {size} bytes: {Errno.Describe(error)}.", error);
        }

        offloads.Header = true;
        ReadOnlySpan<uint> steps = wanted ? Steps : Steps[^1..];
        foreach (uint step in steps)
        {
            error = LibC.ioctl(queue.Value, Definitions.TUNSETOFFLOAD, (nint)step);
            if (error >= 0)
            {
                offloads.Inward = step;
                break;
            }
        }

        // Writing unsegmented TCP needs no agreement; unsegmented UDP came to the kernel together with reading it.
        offloads.EnableWrites(wanted, wanted && (offloads.Inward & Udp) == Udp);
        if (wanted && offloads.Inward != Steps[0])
        {
            offloads.Report($"The TUN driver offers only these offloads:{offloads.Describe()}.");
        }
    }

    /// <summary>Has a program choose the queue of each packet (TUNSETSTEERINGEBPF).</summary>
    /// <param name="queue">An attached descriptor.</param>
    /// <param name="program">The program's descriptor; −1 for none again.</param>
    /// <returns>0, or −errno.</returns>
    public static int Steer(FileDescriptor queue, int program) => Math.Min(LibC.ioctl(queue.Value, Definitions.TUNSETSTEERINGEBPF, &program), 0);

    /// <summary>Runs an interface request in the namespace the interface is in now.</summary>
    /// <param name="queue">An attached descriptor.</param>
    /// <param name="request">SIOC*.</param>
    /// <param name="value">What it sets.</param>
    /// <returns>What it reads, or −errno.</returns>
    public static int Interface(FileDescriptor queue, int request, int value)
    {
        ifreq argument = default;
        int error = LibC.ioctl(queue.Value, Definitions.TUNGETIFF, &argument);
        if (error < 0)
        {
            return error;
        }

        // The name may mean another interface in our own namespace, so always go by the descriptor's.
        using var space = new FileDescriptor(LibC.ioctl(queue.Value, Definitions.TUNGETDEVNETNS, 0));
        int fd = NetworkNamespace.OpenSocket(
            space.IsInvalid ? -1 : space.Value, Definitions.AF_UNIX, Definitions.SOCK_DGRAM | Definitions.SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            // Without CAP_SYS_ADMIN no other namespace can be entered; most interfaces never leave ours.
            fd = LibC.socket(Definitions.AF_UNIX, Definitions.SOCK_DGRAM | Definitions.SOCK_CLOEXEC, 0);
        }

        using var socket = new FileDescriptor(fd);
        if (socket.IsInvalid)
        {
            return fd;
        }

        argument.ifr_ifindex = value;
        error = LibC.ioctl(socket.Value, (nuint)request, &argument);
        return error < 0 ? error : argument.ifr_ifindex;
    }
}
