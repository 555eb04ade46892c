using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Netlink;

/// <summary>What has changed in a network namespace.</summary>
[Flags]
public enum NetworkChange
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>An interface came, went, or has another state or MTU.</summary>
    Links = 1,

    /// <summary>An address came or went.</summary>
    Addresses = 2,

    /// <summary>A route that is no default route came, went or changed.</summary>
    Routes = 4,

    /// <summary>A default route (of at most one bit, since two halves make one too) came, went or changed.</summary>
    DefaultRoutes = 8,

    /// <summary>A routing rule came or went.</summary>
    Rules = 16,

    /// <summary>The kernel had more to tell than the socket could hold (ENOBUFS): anything may have changed.</summary>
    Lost = 32,
}

/// <summary>
/// Notifications of one network namespace (rtnetlink(7)), that of the thread that opened it: interfaces, addresses, routes,
/// rules. What is told again without a change (lifetimes of addresses, statistics of links) is passed over. One thread waits.
/// </summary>
public sealed unsafe class NetworkEvents : IDisposable
{
    // RTMGRP_LINK, RTMGRP_IPV4_IFADDR, _ROUTE, _RULE, RTMGRP_IPV6_IFADDR, _ROUTE, and RTNLGRP_IPV6_RULE (19), which has no RTMGRP name.
    private const uint Groups = 1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | (1u << 18);
    private const int BufferSize = 32 * 1024;

    /// <summary>So that a flood of notifications gives its thread back now and then.</summary>
    private const int DatagramsPerWait = 256;

    /// <summary>More interfaces or addresses than this are not kept in mind; each notification about them counts then.</summary>
    private const int MostKnown = 8192;

    private readonly SafeFileHandle _socket;
    private readonly FileDescriptor _wake;
    private readonly byte[] _buffer = new byte[BufferSize];
    private readonly Dictionary<int, Link> _links = [];
    private readonly HashSet<LinkAddress> _addresses = [];

    private NetworkEvents(SafeFileHandle socket, FileDescriptor wake)
    {
        _socket = socket;
        _wake = wake;
    }

    /// <summary>Gets or sets the index of an interface whose own addresses and routes say nothing new; 0 for none.</summary>
    public int Passed { get; set; }

    /// <summary>Opens the socket and joins the groups.</summary>
    /// <param name="receiveBytes">The socket's receive buffer in bytes (SO_RCVBUF); 0 leaves the system's.</param>
    /// <returns>The notifications from now on.</returns>
    /// <exception cref="NetlinkException">The kernel refuses it.</exception>
    public static NetworkEvents Open(int receiveBytes = 0)
    {
        int fd = NetlinkNative.Socket(NetlinkNative.AF_NETLINK, NetlinkNative.SOCK_RAW | NetlinkNative.SOCK_CLOEXEC, NetlinkSocket.Route);
        if (fd < 0)
        {
            throw new NetlinkException("opening a netlink socket", Marshal.GetLastPInvokeError(), null);
        }

        SafeFileHandle socket = new(fd, ownsHandle: true);
        if (receiveBytes > 0)
        {
            _ = NetlinkNative.SetInt(socket, NetlinkNative.SOL_SOCKET, Definitions.SO_RCVBUF, in receiveBytes, 4);
        }

        NetlinkNative.SockaddrNl address = new() { Family = NetlinkNative.AF_NETLINK, Groups = Groups };
        int error = NetlinkNative.Bind(socket, in address, 12) == 0 ? 0 : Marshal.GetLastPInvokeError();
        int wake = error == 0 ? LibC.eventfd(0, Definitions.EFD_CLOEXEC | Definitions.EFD_NONBLOCK) : -error;
        if (wake < 0)
        {
            socket.Dispose();
            throw new NetlinkException("listening to network changes", -wake, null);
        }

        return new NetworkEvents(socket, new FileDescriptor(wake));
    }

    /// <summary>Waits for a change, for <see cref="Wake"/> or for the time to pass, and takes what has been told.</summary>
    /// <param name="longest">Longest wait; negative for ever.</param>
    /// <returns>What has changed.</returns>
    public NetworkChange Wait(TimeSpan longest)
    {
        bool referenced = false;
        try
        {
            _socket.DangerousAddRef(ref referenced);
            pollfd* polled = stackalloc pollfd[2];
            polled[0] = new pollfd { fd = (int)_socket.DangerousGetHandle(), events = Definitions.POLLIN };
            polled[1] = new pollfd { fd = _wake.Value, events = Definitions.POLLIN };
            timespec time = new() { tv_sec = longest.Ticks / TimeSpan.TicksPerSecond, tv_nsec = longest.Ticks % TimeSpan.TicksPerSecond * 100 };
            _ = LibC.ppoll(polled, 2, longest < TimeSpan.Zero ? null : &time);
            if (polled[1].revents != 0)
            {
                ulong count;
                _ = LibC.read(_wake.Value, &count, sizeof(ulong));
            }

            // Also with POLLERR alone: that is how an overrun shows.
            return polled[0].revents != 0 ? Take() : NetworkChange.None;
        }
        finally
        {
            if (referenced)
            {
                _socket.DangerousRelease();
            }
        }
    }

    /// <summary>Ends a wait, or keeps the next one from falling asleep; any thread.</summary>
    public void Wake()
    {
        ulong one = 1;
        _ = LibC.write(_wake.Value, &one, sizeof(ulong));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Dispose();
        _wake.Dispose();
    }

    /// <summary>Judges the messages of a datagram.</summary>
    /// <param name="datagram">The bytes.</param>
    /// <returns>What has changed.</returns>
    internal NetworkChange Judge(ReadOnlySpan<byte> datagram)
    {
        NetworkChange change = NetworkChange.None;
        foreach (NetlinkMessage message in new NetlinkMessages(datagram))
        {
            change |= message.Type switch
            {
                Rtnetlink.RTM_NEWLINK => LinkMade(message.Payload),
                Rtnetlink.RTM_DELLINK => LinkGone(message.Payload),
                Rtnetlink.RTM_NEWADDR or Rtnetlink.RTM_DELADDR => Address(message.Payload, message.Type == Rtnetlink.RTM_NEWADDR),
                Rtnetlink.RTM_NEWROUTE or Rtnetlink.RTM_DELROUTE => RouteChanged(message.Payload),
                Rtnetlink.RTM_NEWRULE or Rtnetlink.RTM_DELRULE => NetworkChange.Rules,
                Rtnetlink.NLMSG_OVERRUN => NetworkChange.Lost,
                _ => NetworkChange.None,
            };
        }

        return change;
    }

    private NetworkChange Take()
    {
        NetworkChange change = NetworkChange.None;
        for (int i = 0; i < DatagramsPerWait; i++)
        {
            NetlinkNative.SockaddrNl from = default;
            uint fromLength = 12;
            nint got;
            fixed (byte* bytes = _buffer)
            {
                got = NetlinkNative.Receive(_socket, bytes, BufferSize, NetlinkNative.MSG_TRUNC | Definitions.MSG_DONTWAIT, &from, &fromLength);
            }

            if (got > 0 && from.PortId == 0)
            {
                // One that was cut short may have said anything.
                change |= got > BufferSize ? Forget() : Judge(_buffer.AsSpan(0, (int)got));
            }
            else if (got <= 0)
            {
                int errno = got == 0 ? 0 : Marshal.GetLastPInvokeError();
                if (errno == Definitions.ENOBUFS)
                {
                    change |= Forget();
                }
                else if (errno != NetlinkNative.EINTR)
                {
                    return change;
                }
            }
        }

        return change;
    }

    // What was known may be wrong now, so the next word about it counts.
    private NetworkChange Forget()
    {
        _links.Clear();
        _addresses.Clear();
        return NetworkChange.Lost;
    }

    private NetworkChange LinkMade(ReadOnlySpan<byte> payload)
    {
        // A message of another family (a bridge's port) repeats the link in its own words.
        if (Link.Parse(payload) is not { } link || payload[0] != Rtnetlink.AF_UNSPEC || link.Index == Passed)
        {
            return NetworkChange.None;
        }

        bool same = _links.TryGetValue(link.Index, out Link? known) && known == link;
        if (_links.Count >= MostKnown)
        {
            _links.Clear();
        }

        _links[link.Index] = link;
        return same ? NetworkChange.None : NetworkChange.Links;
    }

    private NetworkChange LinkGone(ReadOnlySpan<byte> payload)
    {
        if (Link.Parse(payload) is not { } link || payload[0] != Rtnetlink.AF_UNSPEC || link.Index == Passed)
        {
            return NetworkChange.None;
        }

        _links.Remove(link.Index);
        return NetworkChange.Links;
    }

    private NetworkChange Address(ReadOnlySpan<byte> payload, bool made)
    {
        if (LinkAddress.Parse(payload) is not { } address || address.LinkIndex == Passed)
        {
            return NetworkChange.None;
        }

        if (!made)
        {
            _addresses.Remove(address);
            return NetworkChange.Addresses;
        }

        // Not in use before duplicate detection is over; then it is told again without the flag (ifa_flags, the third byte).
        if ((payload[2] & Rtnetlink.IFA_F_TENTATIVE) != 0)
        {
            return NetworkChange.None;
        }

        if (_addresses.Count >= MostKnown)
        {
            _addresses.Clear();
        }

        return _addresses.Add(address) ? NetworkChange.Addresses : NetworkChange.None;
    }

    private NetworkChange RouteChanged(ReadOnlySpan<byte> payload)
    {
        if (Route.Parse(payload) is not { } route || (route.LinkIndex == Passed && Passed != 0) || route.Table == Rtnetlink.RT_TABLE_LOCAL
            || !NetlinkMessage.TrySplit(payload, out Rtnetlink.Rtmsg header, out _) || (header.Flags & Rtnetlink.RTM_F_CLONED) != 0)
        {
            return NetworkChange.None;
        }

        return route.Destination.PrefixLength <= 1 ? NetworkChange.DefaultRoutes : NetworkChange.Routes;
    }
}
