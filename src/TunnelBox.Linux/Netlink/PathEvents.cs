using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Netlink;

/// <summary>
/// Tells that something which decides where datagrams go may have changed in the network namespace of the thread that opened
/// it: an interface, an address, a route, a rule, a neighbour. What it was is for <see cref="PathQueries"/> to find out.
/// </summary>
public sealed unsafe class PathEvents : IDisposable
{
    private const int NetlinkRoute = 0;

    // RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and group RTNLGRP_IPV6_RULE (19).
    private const uint Groups = 1 | 4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | (1u << 18);
    private const int BufferSize = 16 * 1024;
    private readonly FileDescriptor _socket;

    private PathEvents(FileDescriptor socket) => _socket = socket;

    /// <summary>Gets what to poll for POLLIN.</summary>
    public int Descriptor => _socket.Value;

    /// <summary>Opens the socket.</summary>
    /// <returns>The events from now on.</returns>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    public static PathEvents Open()
    {
        int fd = LibC.socket(Definitions.AF_NETLINK, Definitions.SOCK_RAW | Definitions.SOCK_CLOEXEC | Definitions.SOCK_NONBLOCK, NetlinkRoute);
        if (fd < 0)
        {
            throw new NetlinkException("opening a netlink socket", -fd, null);
        }

        var socket = new FileDescriptor(fd);
        NetlinkNative.SockaddrNl address = new() { Family = NetlinkNative.AF_NETLINK, Groups = Groups };
        int error = LibC.bind(fd, &address, (uint)sizeof(NetlinkNative.SockaddrNl));
        if (error < 0)
        {
            socket.Dispose();
            throw new NetlinkException("listening to network changes", -error, null);
        }

        return new PathEvents(socket);
    }

    /// <summary>Takes what was told, and forgets it.</summary>
    /// <returns>Whether there was anything; also when the kernel had more to tell than the socket could hold.</returns>
    public bool Take()
    {
        byte* buffer = stackalloc byte[BufferSize];
        bool any = false;
        while (true)
        {
            nint got = LibC.read(Descriptor, buffer, BufferSize);
            if (got <= 0 && got != -Definitions.ENOBUFS)
            {
                return any;
            }

            any = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
