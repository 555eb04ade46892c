using System.Buffers.Binary;
using System.Net;

namespace TunnelBox.Linux.Netlink;

/// <summary>What the kernel would do with a datagram.</summary>
/// <param name="LinkIndex">The interface it leaves by.</param>
/// <param name="NextHop">Who gets it: a gateway, or the destination itself.</param>
/// <param name="Source">The source address that the kernel would choose, or null.</param>
/// <param name="Mtu">The path's MTU where the route or what was learnt knows one, or 0.</param>
/// <param name="HopLimit">The route's own hop limit, or 0.</param>
public sealed record PathRoute(int LinkIndex, IPAddress NextHop, IPAddress? Source, int Mtu, byte HopLimit);

/// <summary>How an interface is.</summary>
/// <param name="IsEthernet">Whether frames on it are Ethernet's.</param>
/// <param name="IsRunning">Whether it is up and has a carrier.</param>
/// <param name="Mtu">Its MTU in bytes.</param>
/// <param name="Mac">Its Ethernet address: 48 bits, the first byte highest; 0 where it has none.</param>
/// <param name="Queues">Most receive queues it can have.</param>
public readonly record struct PathLink(bool IsEthernet, bool IsRunning, int Mtu, ulong Mac, int Queues);

/// <summary>Asks one network namespace, that of the thread that opened it, for the way a datagram would go. Not thread-safe.</summary>
public sealed class PathQueries : IDisposable
{
    private const ushort Known = Rtnetlink.NUD_REACHABLE | Rtnetlink.NUD_STALE | Rtnetlink.NUD_DELAY | Rtnetlink.NUD_PROBE
        | Rtnetlink.NUD_NOARP | Rtnetlink.NUD_PERMANENT;

    private readonly NetlinkSocket _socket = NetlinkSocket.Open(NetlinkSocket.Route);

    /// <summary>Looks a route up as sending a UDP datagram would, policy rules included.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="source">Where from; null lets the kernel choose.</param>
    /// <param name="ports">Local and remote port.</param>
    /// <param name="mark">The firewall mark, 0 for none.</param>
    /// <param name="link">The interface that a link-local destination is on, otherwise 0.</param>
    /// <returns>The route; null where there is none, or it leads to no other machine.</returns>
    public PathRoute? Route(IPAddress destination, IPAddress? source, (ushort Local, ushort Remote) ports, uint mark, int link)
    {
        ArgumentNullException.ThrowIfNull(destination);
        byte family = IpBytes.Family(destination);
        byte bits = (byte)(8 * IpBytes.Size(family));
        NetlinkWriter request = new NetlinkWriter(Rtnetlink.RTM_GETROUTE, 0)
            .Struct(new Rtnetlink.Rtmsg { Family = family, DestinationLength = bits, SourceLength = source is null ? (byte)0 : bits })
            .Attribute(Rtnetlink.RTA_DST, destination.GetAddressBytes())
            .Attribute(Rtnetlink.RTA_IP_PROTO, [17])
            .Attribute(Rtnetlink.RTA_SPORT, [(byte)(ports.Local >> 8), (byte)ports.Local])
            .Attribute(Rtnetlink.RTA_DPORT, [(byte)(ports.Remote >> 8), (byte)ports.Remote]);
        if (source is not null)
        {
            request.Attribute(Rtnetlink.RTA_SRC, source.GetAddressBytes());
        }

        if (mark != 0)
        {
            request.Attribute(Rtnetlink.RTA_MARK, mark);
        }

        if (link != 0)
        {
            request.Attribute(Rtnetlink.RTA_OIF, (uint)link);
        }

        PathRoute? found = null;
        try
        {
            _socket.Get(request, "looking up a route", (in NetlinkMessage message) =>
                found = message.Type == Rtnetlink.RTM_NEWROUTE ? Read(message.Payload, destination) : found);
        }
        catch (NetlinkException)
        {
            // Unreachable, prohibited, a source that is not ours: no way for us.
            return null;
        }

        return found;
    }

    /// <summary>Reads a neighbour's Ethernet address. It counts also while the kernel is about to ask again whether it is right.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="address">The neighbour.</param>
    /// <returns>48 bits, the first byte highest; 0 while it is unknown.</returns>
    public ulong Neighbour(int link, IPAddress address)
    {
        ulong mac = 0;
        try
        {
            _socket.Get(Neighbour(Rtnetlink.RTM_GETNEIGH, 0, link, address), "looking up a neighbour", (in NetlinkMessage message) =>
            {
                if (message.Type == Rtnetlink.RTM_NEWNEIGH
                    && NetlinkMessage.TrySplit(message.Payload, out Rtnetlink.Ndmsg header, out NetlinkAttributes attributes)
                    && (header.State & Known) != 0)
                {
                    foreach (NetlinkAttribute attribute in attributes)
                    {
                        mac = attribute.Type == Rtnetlink.NDA_LLADDR ? Mac(attribute.Payload) : mac;
                    }
                }
            });
        }
        catch (NetlinkException)
        {
            return 0;
        }

        return mac;
    }

    /// <summary>Reads every neighbour of an interface whose Ethernet address is known.</summary>
    /// <param name="link">The interface.</param>
    /// <returns>Addresses, each with 48 bits of which the first byte is highest.</returns>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    public IReadOnlyList<(IPAddress Address, ulong Mac)> Neighbours(int link)
    {
        List<(IPAddress Address, ulong Mac)> found = [];
        _socket.Dump(
            new NetlinkWriter(Rtnetlink.RTM_GETNEIGH, 0).Struct(default(Rtnetlink.Ndmsg)).Attribute(Rtnetlink.NDA_IFINDEX, (uint)link),
            "listing neighbours",
            found.Clear,
            (in NetlinkMessage message) =>
            {
                if (message.Type == Rtnetlink.RTM_NEWNEIGH && ReadNeighbour(message.Payload, link) is { } neighbour)
                {
                    found.Add(neighbour);
                }
            });
        return found;
    }

    /// <summary>Reads how an interface is.</summary>
    /// <param name="link">Its index.</param>
    /// <returns>Its state, or null where it does not exist.</returns>
    public PathLink? Link(int link)
    {
        PathLink? found = null;
        try
        {
            _socket.Get(
                new NetlinkWriter(Rtnetlink.RTM_GETLINK, 0).Struct(new Rtnetlink.Ifinfomsg { Index = link }),
                "reading an interface",
                (in NetlinkMessage message) => found = message.Type == Rtnetlink.RTM_NEWLINK ? ReadLink(message.Payload) : found);
        }
        catch (NetlinkException gone) when (gone.Errno == NetlinkException.NoDevice)
        {
            return null;
        }

        return found;
    }

    /// <summary>Reads every address of this machine.</summary>
    /// <returns>The addresses with their interfaces.</returns>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    public IReadOnlyList<LinkAddress> Addresses()
    {
        List<LinkAddress> found = [];
        _socket.Dump(
            new NetlinkWriter(Rtnetlink.RTM_GETADDR, 0).Struct(default(Rtnetlink.Ifaddrmsg)),
            "reading addresses",
            found.Clear,
            (in NetlinkMessage message) =>
            {
                if (message.Type == Rtnetlink.RTM_NEWADDR && LinkAddress.Parse(message.Payload) is { } address)
                {
                    found.Add(address);
                }
            });
        return found;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static NetlinkWriter Neighbour(ushort type, byte flags, int link, IPAddress address) =>
        new NetlinkWriter(type, 0)
            .Struct(new Rtnetlink.Ndmsg { Family = IpBytes.Family(address), Index = link, Flags = flags })
            .Attribute(Rtnetlink.NDA_DST, address.GetAddressBytes());

    private static (IPAddress Address, ulong Mac)? ReadNeighbour(ReadOnlySpan<byte> payload, int link)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Ndmsg header, out NetlinkAttributes attributes) || header.Index != link || (header.State & Known) == 0)
        {
            return null;
        }

        IPAddress? address = null;
        ulong mac = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            address = attribute.Type == Rtnetlink.NDA_DST ? IpBytes.Read(header.Family, attribute.Payload) : address;
            mac = attribute.Type == Rtnetlink.NDA_LLADDR ? Mac(attribute.Payload) : mac;
        }

        return address is null || mac == 0 ? null : (address, mac);
    }

    private static PathRoute? Read(ReadOnlySpan<byte> payload, IPAddress destination) =>
        RouteLookup.Parse(payload) is { Kind: RouteKind.Unicast } answer
            ? new PathRoute(answer.LinkIndex, answer.Gateway ?? destination, answer.Source, answer.Mtu, answer.HopLimit)
            : null;

    private static PathLink? ReadLink(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Ifinfomsg header, out NetlinkAttributes attributes))
        {
            return null;
        }

        ulong mac = 0;
        uint mtu = 0;
        uint queues = 1;
        foreach (NetlinkAttribute attribute in attributes)
        {
            queues = attribute.Type == Rtnetlink.IFLA_NUM_RX_QUEUES ? attribute.Number : queues;
            mac = attribute.Type == Rtnetlink.IFLA_ADDRESS ? Mac(attribute.Payload) : mac;
            mtu = attribute.Type == Rtnetlink.IFLA_MTU ? attribute.Number : mtu;
        }

        const uint Running = Rtnetlink.IFF_UP | Rtnetlink.IFF_RUNNING;
        return new PathLink(header.Type == Rtnetlink.ARPHRD_ETHER, (header.Flags & Running) == Running, (int)Math.Min(mtu, int.MaxValue), mac, (int)Math.Clamp(queues, 1, 65536));
    }

    private static ulong Mac(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != 6)
        {
            return 0;
        }

        Span<byte> whole = stackalloc byte[8];
        whole.Clear();
        bytes.CopyTo(whole[2..]);
        return BinaryPrimitives.ReadUInt64BigEndian(whole);
    }
}
