using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Udp;

/// <summary>How UDP sockets are opened.</summary>
public sealed record UdpSocketOptions
{
    /// <summary>Gets the port number; 0 lets the kernel choose one that is free in both families.</summary>
    public ushort Port { get; init; }

    /// <summary>Gets how many socket pairs share the port, one for each worker.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Gets the mark of outgoing packets (SO_MARK); 0 for none.</summary>
    public uint FirewallMark { get; init; }

    /// <summary>Gets an open network namespace file in which the sockets are created; −1 for the current one.</summary>
    public int NamespaceFd { get; init; } = -1;

    /// <summary>Gets a value indicating whether messages may hold several datagrams (UDP_SEGMENT, UDP_GRO), where the kernel can.</summary>
    public bool Offloads { get; init; } = true;

    /// <summary>Gets the wanted size of each socket buffer in bytes.</summary>
    public int BufferBytes { get; init; } = 7 << 20;

    /// <summary>Gets what takes the sentences about offloads that were switched off; called from any thread.</summary>
    public Action<string>? Report { get; init; }
}

/// <summary>
/// The sockets of one UDP port: an IPv4 and an IPv6 socket for each worker. A host without IPv6 (or IPv4) gets the other one.
/// </summary>
public sealed unsafe class UdpSockets : IDisposable
{
    private readonly UdpPort[] _ports;
    private bool _disposed;

    private UdpSockets(ushort port, UdpPort[] ports)
    {
        Port = port;
        _ports = ports;
    }

    /// <summary>Gets the port number.</summary>
    public ushort Port { get; }

    /// <summary>Gets a value indicating whether there are IPv4 sockets.</summary>
    public bool HasIPv4 => _ports[0].Socket(isIPv6: false) is not null;

    /// <summary>Gets a value indicating whether there are IPv6 sockets.</summary>
    public bool HasIPv6 => _ports[0].Socket(isIPv6: true) is not null;

    /// <summary>Gets the socket pairs, one for each worker; disposed with this object.</summary>
    public IReadOnlyList<UdpPort> Ports => _ports;

    /// <summary>Opens and binds the sockets.</summary>
    /// <param name="options">How.</param>
    /// <returns>The bound sockets.</returns>
    /// <exception cref="PortException">The port is taken (EADDRINUSE), or the kernel refused otherwise.</exception>
    public static UdpSockets Open(UdpSocketOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Queues, 1, nameof(options));
        var offloads = new UdpOffloads(options.Report);
        (ushort number, FileDescriptor?[] sockets) = UdpBinder.Bind(options, offloads);
        var ports = new UdpPort[options.Queues];
        for (int i = 0; i < ports.Length; i++)
        {
            ports[i] = new UdpPort(number, sockets[2 * i], sockets[(2 * i) + 1], offloads);
        }

        return new UdpSockets(number, ports);
    }

    /// <summary>Takes over the sockets of a port from another process that opened them in our way.</summary>
    /// <param name="port">The port number.</param>
    /// <param name="sockets">For each queue its IPv4 and its IPv6 socket; owned from now on.</param>
    /// <param name="offloads">Whether messages may hold several datagrams.</param>
    /// <param name="report">As <see cref="UdpSocketOptions.Report"/>.</param>
    /// <returns>The sockets.</returns>
    public static UdpSockets Adopt(ushort port, FileDescriptor?[] sockets, bool offloads, Action<string>? report)
    {
        ArgumentNullException.ThrowIfNull(sockets);
        var inForce = new UdpOffloads(report);
        foreach (FileDescriptor socket in sockets.OfType<FileDescriptor>())
        {
            UdpBinder.Offer(socket, inForce, offloads);
        }

        var ports = new UdpPort[sockets.Length / 2];
        for (int i = 0; i < ports.Length; i++)
        {
            ports[i] = new UdpPort(port, sockets[2 * i], sockets[(2 * i) + 1], inForce);
        }

        return new UdpSockets(port, ports);
    }

    /// <summary>Gives the sockets, to hand over: for each queue the IPv4 and the IPv6 one, null where there is none. They stay this object's.</summary>
    /// <returns>The sockets.</returns>
    public IReadOnlyList<FileDescriptor?> All() => [.. _ports.SelectMany(port => new[] { port.Socket(isIPv6: false), port.Socket(isIPv6: true) })];

    /// <summary>Changes the mark of outgoing packets on every socket.</summary>
    /// <param name="mark">The mark; 0 for none.</param>
    /// <returns>0, or −errno (EPERM without CAP_NET_ADMIN).</returns>
    public int SetFirewallMark(uint mark)
    {
        foreach (UdpPort port in _ports)
        {
            for (int family = 0; family < 2; family++)
            {
                if (port.Socket(family == 1) is { } socket)
                {
                    int error = LibC.setsockopt(socket.Value, Definitions.SOL_SOCKET, Definitions.SO_MARK, (int)mark);
                    if (error < 0)
                    {
                        return error;
                    }
                }
            }
        }

        return 0;
    }

    /// <summary>
    /// Sends one datagram at once, from any thread and beside the bursts: handshake messages and cookies. A sticky source that
    /// the kernel refuses is marked stale and left out.
    /// </summary>
    /// <param name="datagram">The bytes.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="tos">Type-of-service byte or traffic class of the outer header.</param>
    /// <returns>0, or −errno.</returns>
    public int SendTo(ReadOnlySpan<byte> datagram, Endpoint destination, byte tos)
    {
        ArgumentNullException.ThrowIfNull(destination);
        bool isIPv6 = destination.Remote.IsIPv6;
        FileDescriptor? socket = _ports[0].Socket(isIPv6);
        bool referenced = false;
        try
        {
            if (socket is null)
            {
                return -Definitions.ENETUNREACH;
            }

            socket.DangerousAddRef(ref referenced);
            int error = SendTo(socket.Value, datagram, destination, tos);
            if (error < 0 && error is not (-Definitions.EAGAIN or -Definitions.EMSGSIZE))
            {
                if (UdpErrors.MayBeSource(error) && destination.Local.Address != 0)
                {
                    destination.SourceStale = true;
                }

                error = SendTo(socket.Value, datagram, destination, tos);
            }

            return Math.Min(error, 0);
        }
        catch (ObjectDisposedException)
        {
            return -Definitions.EBADF;
        }
        finally
        {
            if (referenced)
            {
                socket!.DangerousRelease();
            }
        }
    }

    /// <summary>As the other <c>SendTo</c>, with the reason by name.</summary>
    /// <param name="datagram">The bytes.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="tos">Type-of-service byte or traffic class of the outer header.</param>
    /// <param name="error">0, or −errno.</param>
    /// <returns><see cref="DropReason.None"/>, or the reason with which the datagram is dropped.</returns>
    public DropReason SendTo(ReadOnlySpan<byte> datagram, Endpoint destination, byte tos, out int error)
    {
        error = SendTo(datagram, destination, tos);
        return error < 0 ? UdpErrors.Reason(error) : DropReason.None;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            foreach (UdpPort port in _ports)
            {
                port.Dispose();
            }
        }
    }

    private static int SendTo(int fd, ReadOnlySpan<byte> datagram, Endpoint destination, byte tos)
    {
        bool isIPv6 = destination.Remote.IsIPv6;
        sockaddr_in6 name;
        byte* control = stackalloc byte[ControlMessages.Space];
        int length = 0;
        if (destination.Local.Address != 0 && !destination.SourceStale)
        {
            length = ControlMessages.AppendSource(control, length, destination.Local, isIPv6);
        }

        if (tos != 0)
        {
            length = ControlMessages.AppendTos(control, length, tos, isIPv6);
        }

        fixed (byte* data = datagram)
        {
            iovec piece = new() { iov_base = data, iov_len = (nuint)datagram.Length };
            msghdr header = new()
            {
                msg_name = &name,
                msg_namelen = SocketAddress.Write(destination.Remote, (byte*)&name),
                msg_iov = &piece,
                msg_iovlen = 1,
                msg_control = control,
                msg_controllen = (nuint)length,
            };
            return (int)LibC.sendmsg(fd, &header, Definitions.MSG_DONTWAIT | Definitions.MSG_NOSIGNAL);
        }
    }
}
