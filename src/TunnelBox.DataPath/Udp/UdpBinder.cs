using System.Buffers.Binary;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Udp;

/// <summary>Creates, configures and binds the sockets of one port number.</summary>
internal static unsafe class UdpBinder
{
    /// <summary>How often the kernel may choose an IPv4 port that is taken in IPv6.</summary>
    private const int Attempts = 100;

    /// <summary>Binds every socket of a port.</summary>
    /// <param name="options">How.</param>
    /// <param name="offloads">Told what the kernel offers.</param>
    /// <returns>The port number, and for each queue its IPv4 and its IPv6 socket.</returns>
    /// <exception cref="PortException">With one sentence.</exception>
    public static (ushort Port, FileDescriptor?[] Sockets) Bind(UdpSocketOptions options, UdpOffloads offloads)
    {
        for (int attempt = 1; ; attempt++)
        {
            var sockets = new FileDescriptor?[2 * options.Queues];
            try
            {
                return (Bind(options, offloads, sockets), sockets);
            }
            catch (PortException problem)
            {
                foreach (FileDescriptor? socket in sockets)
                {
                    socket?.Dispose();
                }

                if (options.Port != 0 || problem.Errno != Definitions.EADDRINUSE || attempt == Attempts)
                {
                    throw;
                }
            }
        }
    }

    private static ushort Bind(UdpSocketOptions options, UdpOffloads offloads, FileDescriptor?[] sockets)
    {
        ushort port = options.Port;
        int firstError = 0;
        for (int queue = 0; queue < options.Queues; queue++)
        {
            for (int family = 0; family < 2; family++)
            {
                int slot = (2 * queue) + family;
                if (queue > 0 && sockets[family] is null)
                {
                    continue;
                }

                sockets[slot] = Create(options, offloads, isIPv6: family == 1, out int error);
                if (sockets[slot] is not { } socket)
                {
                    firstError = firstError == 0 ? error : firstError;
                    continue;
                }

                // The first bind of a family is exclusive, so that a taken port is noticed; only then may others join it.
                if (queue > 0)
                {
                    Set(socket, Definitions.SOL_SOCKET, Definitions.SO_REUSEPORT, 1, "share the UDP port between workers");
                }

                port = BindOne(socket, port, isIPv6: family == 1);
                if (queue == 0 && options.Queues > 1)
                {
                    Set(socket, Definitions.SOL_SOCKET, Definitions.SO_REUSEPORT, 1, "share the UDP port between workers");
                }
            }
        }

        if (sockets[0] is null && sockets[1] is null)
        {
            throw new PortException(
                $"Neither an IPv4 nor an IPv6 UDP socket could be opened: {Errno.Describe(firstError)}; enable one of them.", firstError);
        }

        return port;
    }

    private static ushort BindOne(FileDescriptor socket, ushort port, bool isIPv6)
    {
        sockaddr_in6 name = default;
        uint length = isIPv6 ? (uint)sizeof(sockaddr_in6) : (uint)sizeof(sockaddr_in);
        name.sin6_family = (ushort)(isIPv6 ? Definitions.AF_INET6 : Definitions.AF_INET);
        name.sin6_port = BinaryPrimitives.ReverseEndianness(port);
        int error = LibC.bind(socket.Value, &name, length);
        if (error == -Definitions.EADDRINUSE)
        {
            throw new PortException($"UDP port {port} is taken by another program: stop it, or choose another ListenPort.", error);
        }

        if (error is -Definitions.EACCES or -Definitions.EPERM)
        {
            throw new PortException(
                $"UDP port {port} is privileged: run with CAP_NET_BIND_SERVICE, or choose a ListenPort of 1024 or more.", error);
        }

        if (error == 0)
        {
            error = LibC.getsockname(socket.Value, &name, &length);
        }

        if (error < 0)
        {
            throw new PortException($"UDP port {port} could not be bound: {Errno.Describe(error)}.", error);
        }

        return BinaryPrimitives.ReverseEndianness(name.sin6_port);
    }

    private static FileDescriptor? Create(UdpSocketOptions options, UdpOffloads offloads, bool isIPv6, out int error)
    {
        int fd = NetworkNamespace.OpenSocket(
            options.NamespaceFd,
            isIPv6 ? Definitions.AF_INET6 : Definitions.AF_INET,
            Definitions.SOCK_DGRAM | Definitions.SOCK_NONBLOCK | Definitions.SOCK_CLOEXEC,
            Definitions.IPPROTO_UDP);
        error = Math.Min(fd, 0);
        if (fd is -Definitions.EAFNOSUPPORT or -Definitions.EPROTONOSUPPORT)
        {
            return null;
        }

        if (fd < 0)
        {
            throw new PortException($"A UDP socket could not be opened: {Errno.Describe(fd)}.", fd);
        }

        var socket = new FileDescriptor(fd);
        try
        {
            Configure(socket, options, offloads, isIPv6);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Configure(FileDescriptor socket, UdpSocketOptions options, UdpOffloads offloads, bool isIPv6)
    {
        if (isIPv6)
        {
            Set(socket, Definitions.IPPROTO_IPV6, Definitions.IPV6_V6ONLY, 1, "keep IPv4 off the IPv6 socket");
            Set(socket, Definitions.IPPROTO_IPV6, Definitions.IPV6_RECVPKTINFO, 1, "learn local addresses");
            Set(socket, Definitions.IPPROTO_IPV6, Definitions.IPV6_RECVTCLASS, 1, "learn congestion marks");
            Set(socket, Definitions.IPPROTO_IPV6, Definitions.IPV6_MTU_DISCOVER, Definitions.IPV6_PMTUDISC_DONT, "allow fragments");
        }
        else
        {
            Set(socket, Definitions.IPPROTO_IP, Definitions.IP_PKTINFO, 1, "learn local addresses");
            Set(socket, Definitions.IPPROTO_IP, Definitions.IP_RECVTOS, 1, "learn congestion marks");
            Set(socket, Definitions.IPPROTO_IP, Definitions.IP_MTU_DISCOVER, Definitions.IP_PMTUDISC_DONT, "allow fragments");
        }

        if (options.FirewallMark != 0)
        {
            Set(socket, Definitions.SOL_SOCKET, Definitions.SO_MARK, (int)options.FirewallMark, "set the firewall mark; run with CAP_NET_ADMIN");
        }

        Grow(socket, Definitions.SO_RCVBUFFORCE, Definitions.SO_RCVBUF, options.BufferBytes);
        Grow(socket, Definitions.SO_SNDBUFFORCE, Definitions.SO_SNDBUF, options.BufferBytes);

        Offer(socket, offloads, options.Offloads);
    }

    /// <summary>Finds out which offloads a socket has, and turns on what is wanted.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="offloads">Told what the kernel offers.</param>
    /// <param name="wanted">Whether they are wanted.</param>
    internal static void Offer(FileDescriptor socket, UdpOffloads offloads, bool wanted)
    {
        if (!wanted)
        {
            _ = LibC.setsockopt(socket.Value, Definitions.SOL_UDP, Definitions.UDP_GRO, 0);
            return;
        }

        // A kernel that knows the option answers with its value; what it does with it shows at the first send.
        if (LibC.getsockopt(socket.Value, Definitions.SOL_UDP, Definitions.UDP_SEGMENT, out _) == 0)
        {
            offloads.EnableSegmentation();
        }

        offloads.Coalescing = LibC.setsockopt(socket.Value, Definitions.SOL_UDP, Definitions.UDP_GRO, 1) == 0;
    }

    private static void Grow(FileDescriptor socket, int force, int ask, int bytes)
    {
        if (LibC.setsockopt(socket.Value, Definitions.SOL_SOCKET, force, bytes) < 0)
        {
            // Without CAP_NET_ADMIN the system's limit cuts it; a smaller buffer still works.
            _ = LibC.setsockopt(socket.Value, Definitions.SOL_SOCKET, ask, bytes);
        }
    }

    private static void Set(FileDescriptor socket, int level, int option, int value, string purpose)
    {
        int error = LibC.setsockopt(socket.Value, level, option, value);
        if (error < 0)
        {
            throw new PortException($"A UDP socket could not be configured to {purpose}: {Errno.Describe(error)}.", error);
        }
    }
}
