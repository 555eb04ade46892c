using System.Net;

namespace TunnelBox.Linux.Netlink;

/// <summary>
/// Interfaces, addresses, routes and rules of one network namespace (rtnetlink(7)): the one of the thread that opened it.
/// Not thread-safe.
/// </summary>
public sealed class NetworkSettings : IDisposable
{
    private readonly NetlinkSocket _socket;

    private NetworkSettings(NetlinkSocket socket) => _socket = socket;

    /// <summary>Opens the settings.</summary>
    /// <returns>The settings.</returns>
    /// <exception cref="NetlinkException">The kernel refuses the socket.</exception>
    public static NetworkSettings Open() => new(NetlinkSocket.Open(NetlinkSocket.Route));

    /// <summary>Finds an interface.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The interface, or null where there is none.</returns>
    /// <exception cref="NetlinkException">The kernel refused for another reason.</exception>
    public Link? FindLink(string name)
    {
        NetlinkWriter request = new(Rtnetlink.RTM_GETLINK, 0);
        request.Struct(default(Rtnetlink.Ifinfomsg)).Attribute(Rtnetlink.IFLA_IFNAME, name);
        return One(request, $"looking up the interface {name}", Link.Parse, NetlinkException.NoDevice);
    }

    /// <summary>Finds an interface.</summary>
    /// <param name="index">Its index.</param>
    /// <returns>The interface, or null where there is none.</returns>
    /// <exception cref="NetlinkException">The kernel refused for another reason.</exception>
    public Link? FindLink(int index)
    {
        NetlinkWriter request = new(Rtnetlink.RTM_GETLINK, 0);
        request.Struct(new Rtnetlink.Ifinfomsg { Index = index });
        return One(request, $"looking up interface {index}", Link.Parse, NetlinkException.NoDevice);
    }

    /// <summary>Lists the interfaces.</summary>
    /// <returns>All of them, in the kernel's order.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<Link> Links() =>
        All(new NetlinkWriter(Rtnetlink.RTM_GETLINK, 0).Struct(default(Rtnetlink.Ifinfomsg)), "listing interfaces", Link.Parse);

    /// <summary>Sets an interface up or down.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="up">Whether up.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public void SetUp(Link link, bool up)
    {
        ArgumentNullException.ThrowIfNull(link);
        NetlinkWriter request = new(Rtnetlink.RTM_NEWLINK, 0);
        request.Struct(new Rtnetlink.Ifinfomsg { Index = link.Index, Flags = up ? Rtnetlink.IFF_UP : 0, Change = Rtnetlink.IFF_UP });
        _socket.Change(request, $"setting the interface {link.Name} {(up ? "up" : "down")}");
    }

    /// <summary>Sets an interface's MTU.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="mtu">Bytes.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public void SetMtu(Link link, int mtu)
    {
        ArgumentNullException.ThrowIfNull(link);
        NetlinkWriter request = new(Rtnetlink.RTM_NEWLINK, 0);
        request.Struct(new Rtnetlink.Ifinfomsg { Index = link.Index }).Attribute(Rtnetlink.IFLA_MTU, (uint)mtu);
        _socket.Change(request, $"setting the MTU of {link.Name} to {mtu}");
    }

    /// <summary>Deletes an interface.</summary>
    /// <param name="link">The interface.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public void Delete(Link link)
    {
        ArgumentNullException.ThrowIfNull(link);
        NetlinkWriter request = new(Rtnetlink.RTM_DELLINK, 0);
        request.Struct(new Rtnetlink.Ifinfomsg { Index = link.Index });
        _socket.Change(request, $"deleting the interface {link.Name}");
    }

    /// <summary>Lists addresses.</summary>
    /// <param name="link">Of this interface only; null for all.</param>
    /// <returns>The addresses, in the kernel's order.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<LinkAddress> Addresses(Link? link = null)
    {
        NetlinkWriter request = new(Rtnetlink.RTM_GETADDR, 0);
        request.Struct(new Rtnetlink.Ifaddrmsg { Family = Rtnetlink.AF_UNSPEC });
        List<LinkAddress> all = All(request, "listing addresses", LinkAddress.Parse);
        all.RemoveAll(address => link is not null && address.LinkIndex != link.Index);
        return all;
    }

    /// <summary>Adds an address to an interface.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="address">The address.</param>
    /// <param name="prefixLength">Bits of its network.</param>
    /// <exception cref="NetlinkException">The kernel refused; <see cref="NetlinkException.Exists"/> where it is there.</exception>
    public void AddAddress(Link link, IPAddress address, int prefixLength) => ChangeAddress(
        Rtnetlink.RTM_NEWADDR, Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL, link, address, prefixLength, "adding");

    /// <summary>Takes an address from an interface.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="address">The address.</param>
    /// <param name="prefixLength">Bits of its network.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public void RemoveAddress(Link link, IPAddress address, int prefixLength) =>
        ChangeAddress(Rtnetlink.RTM_DELADDR, 0, link, address, prefixLength, "removing");

    /// <summary>Lists the routes of a family, those of all tables.</summary>
    /// <param name="ipv6">The family.</param>
    /// <returns>The routes, in the kernel's order.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<Route> Routes(bool ipv6)
    {
        NetlinkWriter request = new(Rtnetlink.RTM_GETROUTE, 0);
        request.Struct(new Rtnetlink.Rtmsg { Family = ipv6 ? Rtnetlink.AF_INET6 : Rtnetlink.AF_INET });
        return All(request, "listing routes", Route.Parse);
    }

    /// <summary>Adds a route through an interface, as <c>ip route add</c> does.</summary>
    /// <param name="route">The route.</param>
    /// <exception cref="NetlinkException">The kernel refused; <see cref="NetlinkException.Exists"/> where it is there.</exception>
    public void Add(Route route) => ChangeRoute(Rtnetlink.RTM_NEWROUTE, Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL, route, "adding");

    /// <summary>Removes a route.</summary>
    /// <param name="route">The route.</param>
    /// <exception cref="NetlinkException">The kernel refused; <see cref="NetlinkException.NoSuchRoute"/> where it is not there.</exception>
    public void Remove(Route route) => ChangeRoute(Rtnetlink.RTM_DELROUTE, 0, route, "removing");

    /// <summary>Asks which way a packet would go.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="mark">The packet's firewall mark; 0 for none.</param>
    /// <returns>The route, or null where there is none.</returns>
    /// <exception cref="NetlinkException">The kernel refused for another reason.</exception>
    public Route? Lookup(IPAddress destination, uint mark = 0)
    {
        ArgumentNullException.ThrowIfNull(destination);
        byte family = IpBytes.Family(destination);
        NetlinkWriter request = new(Rtnetlink.RTM_GETROUTE, 0);
        request.Struct(new Rtnetlink.Rtmsg { Family = family, DestinationLength = (byte)(8 * IpBytes.Size(family)) });
        request.Attribute(Rtnetlink.RTA_DST, destination.GetAddressBytes());
        if (mark != 0)
        {
            request.Attribute(Rtnetlink.RTA_MARK, mark);
        }

        return One(request, $"looking up the route to {destination}", Route.Parse, NetlinkException.Unreachable);
    }

    /// <summary>Lists the rules of a family.</summary>
    /// <param name="ipv6">The family.</param>
    /// <returns>The rules, by priority.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<Rule> Rules(bool ipv6)
    {
        NetlinkWriter request = new(Rtnetlink.RTM_GETRULE, 0);
        request.Struct(new Rtnetlink.Rtmsg { Family = ipv6 ? Rtnetlink.AF_INET6 : Rtnetlink.AF_INET });
        return All(request, "listing rules", Rule.Parse);
    }

    /// <summary>Adds a rule.</summary>
    /// <param name="rule">The rule.</param>
    /// <exception cref="NetlinkException">The kernel refused; <see cref="NetlinkException.Exists"/> where it is there.</exception>
    public void Add(Rule rule) => ChangeRule(Rtnetlink.RTM_NEWRULE, Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL, rule, "adding");

    /// <summary>Removes the first rule that has everything this one gives.</summary>
    /// <param name="rule">The rule.</param>
    /// <exception cref="NetlinkException">The kernel refused; <see cref="NetlinkException.NoEntry"/> where it is not there.</exception>
    public void Remove(Rule rule) => ChangeRule(Rtnetlink.RTM_DELRULE, 0, rule, "removing");

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private delegate T? Parser<T>(ReadOnlySpan<byte> payload)
        where T : class;

    private T? One<T>(NetlinkWriter request, string operation, Parser<T> parse, int absent)
        where T : class
    {
        T? found = null;
        try
        {
            _socket.Get(request, operation, (in message) => found ??= parse(message.Payload));
        }
        catch (NetlinkException e) when (e.Errno == absent)
        {
            return null;
        }

        return found;
    }

    private List<T> All<T>(NetlinkWriter request, string operation, Parser<T> parse)
        where T : class
    {
        List<T> all = [];
        _socket.Dump(request, operation, all.Clear, (in message) =>
        {
            if (parse(message.Payload) is { } item)
            {
                all.Add(item);
            }
        });
        return all;
    }

    private void ChangeAddress(ushort type, int flags, Link link, IPAddress address, int prefixLength, string verb)
    {
        ArgumentNullException.ThrowIfNull(link);
        ArgumentNullException.ThrowIfNull(address);
        byte[] bytes = address.GetAddressBytes();
        NetlinkWriter request = new(type, (ushort)flags);
        request.Struct(new Rtnetlink.Ifaddrmsg
        {
            Family = IpBytes.Family(address),
            PrefixLength = (byte)prefixLength,
            Scope = bytes.Length == 4 && bytes[0] == 127 ? Rtnetlink.RT_SCOPE_HOST : Rtnetlink.RT_SCOPE_UNIVERSE,
            Index = link.Index,
        });
        request.Attribute(Rtnetlink.IFA_LOCAL, bytes).Attribute(Rtnetlink.IFA_ADDRESS, bytes);
        _socket.Change(request, $"{verb} the address {address}/{prefixLength} on {link.Name}");
    }

    private void ChangeRoute(ushort type, int flags, Route route, string verb)
    {
        ArgumentNullException.ThrowIfNull(route);
        byte family = IpBytes.Family(route.Destination.BaseAddress);
        bool adding = type == Rtnetlink.RTM_NEWROUTE;
        NetlinkWriter request = new(type, (ushort)flags);
        request.Struct(new Rtnetlink.Rtmsg
        {
            Family = family,
            DestinationLength = (byte)route.Destination.PrefixLength,
            Table = route.Table < 256 ? (byte)route.Table : Rtnetlink.RT_TABLE_COMPAT,
            Protocol = adding ? Rtnetlink.RTPROT_BOOT : (byte)0,
            Scope = !adding ? Rtnetlink.RT_SCOPE_NOWHERE
                : family == Rtnetlink.AF_INET && route.Gateway is null ? Rtnetlink.RT_SCOPE_LINK : Rtnetlink.RT_SCOPE_UNIVERSE,
            Type = adding ? Rtnetlink.RTN_UNICAST : (byte)0,
        });
        request.Attribute(Rtnetlink.RTA_DST, route.Destination.BaseAddress.GetAddressBytes()).Attribute(Rtnetlink.RTA_TABLE, route.Table);
        if (route.LinkIndex != 0)
        {
            request.Attribute(Rtnetlink.RTA_OIF, (uint)route.LinkIndex);
        }

        if (route.Gateway is not null)
        {
            request.Attribute(Rtnetlink.RTA_GATEWAY, route.Gateway.GetAddressBytes());
        }

        if (route.Priority != 0)
        {
            request.Attribute(Rtnetlink.RTA_PRIORITY, route.Priority);
        }

        if (route.Mtu != 0)
        {
            int metrics = request.BeginNest(Rtnetlink.RTA_METRICS);
            request.Attribute(Rtnetlink.RTAX_MTU, (uint)route.Mtu).EndNest(metrics);
        }

        _socket.Change(request, $"{verb} the route {route.Destination}{(route.Table == Route.MainTable ? string.Empty : $" in table {route.Table}")}");
    }

    private void ChangeRule(ushort type, int flags, Rule rule, string verb)
    {
        ArgumentNullException.ThrowIfNull(rule);
        NetlinkWriter request = new(type, (ushort)flags);
        request.Struct(new Rtnetlink.Rtmsg
        {
            Family = rule.IsIPv6 ? Rtnetlink.AF_INET6 : Rtnetlink.AF_INET,
            Table = rule.Table < 256 ? (byte)rule.Table : (byte)0,
            Type = Rtnetlink.FR_ACT_TO_TBL,
            Flags = rule.Invert ? Rtnetlink.FIB_RULE_INVERT : 0,
        });
        request.Attribute(Rtnetlink.FRA_TABLE, rule.Table);
        if (rule.Mark is { } mark)
        {
            request.Attribute(Rtnetlink.FRA_FWMARK, mark);
        }

        if (rule.SuppressPrefixLength is { } length)
        {
            request.Attribute(Rtnetlink.FRA_SUPPRESS_PREFIXLEN, length);
        }

        if (rule.Priority is { } priority)
        {
            request.Attribute(Rtnetlink.FRA_PRIORITY, priority);
        }

        _socket.Change(request, $"{verb} the rule for table {rule.Table}");
    }
}
