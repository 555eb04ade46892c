using System.Net;
using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>Where packets to a prefix go.</summary>
/// <param name="IsOurs">Whether they leave by the device of the local network; otherwise the kernel sends them.</param>
/// <param name="Gateway">The next hop, or null where the destination is on the link.</param>
/// <param name="Mtu">Bytes of the largest packet, or 0 for the device's.</param>
internal sealed record LanRoute(bool IsOurs, HostAddress? Gateway, int Mtu);

/// <summary>A neighbour on the local network.</summary>
/// <param name="address">Its address.</param>
/// <param name="mac">Its Ethernet address: 48 bits, the first byte highest.</param>
internal sealed class LanNeighbour(IPAddress address, ulong mac)
{
    private int _used;

    /// <summary>Gets its address.</summary>
    public IPAddress Address => address;

    /// <summary>Gets its Ethernet address: 48 bits, the first byte highest.</summary>
    public ulong Mac => mac;

    /// <summary>Notes that a packet goes there.</summary>
    public void Use()
    {
        // Written only when it changes: other workers read the same line.
        if (_used == 0)
        {
            Volatile.Write(ref _used, 1);
        }
    }

    /// <summary>Tells whether a packet went there since it was last asked.</summary>
    /// <returns>The answer.</returns>
    public bool WasUsed() => Interlocked.Exchange(ref _used, 0) != 0;
}

/// <summary>
/// What the kernel's tables say of a local network, as one immutable value: routes of the tables main and local, neighbours, addresses.
/// Policy rules are not looked at.
/// </summary>
internal sealed class LanTables
{
    private static readonly LanRoute s_kernel = new(false, null, 0);

    private readonly AllowedIps<LanRoute> _routes;
    private readonly Dictionary<HostAddress, LanNeighbour> _neighbours;
    private readonly int _mtu;

    private LanTables(AllowedIps<LanRoute> routes, Dictionary<HostAddress, LanNeighbour> neighbours, int mtu)
    {
        _routes = routes;
        _neighbours = neighbours;
        _mtu = mtu;
    }

    /// <summary>Gets tables in which there is no way.</summary>
    public static LanTables Empty { get; } = new(AllowedIps<LanRoute>.Empty, [], 0);

    /// <summary>Gets a value indicating whether the device has a link.</summary>
    public bool IsRunning { get; private init; }

    /// <summary>Gets the device's Ethernet address: 48 bits, the first byte highest.</summary>
    public ulong Mac { get; private init; }

    /// <summary>Gets the MTU of the device in bytes.</summary>
    public int Mtu => _mtu;

    /// <summary>Gets the address that the local network knows us by, of each family; 0 for none.</summary>
    public (UInt128 Four, UInt128 Six) LanSource { get; private init; }

    /// <summary>Gets the address that the tunnel's other end may know us by, of each family; 0 for none.</summary>
    public (UInt128 Four, UInt128 Six) TunnelSource { get; private init; }

    /// <summary>Gets every neighbour.</summary>
    public IEnumerable<LanNeighbour> Neighbours => _neighbours.Values;

    /// <summary>Makes tables.</summary>
    /// <param name="device">The device of the local network.</param>
    /// <param name="link">How it is.</param>
    /// <param name="tunnel">The TUN device.</param>
    /// <param name="routes">All routes.</param>
    /// <param name="neighbours">The device's neighbours.</param>
    /// <param name="addresses">All addresses of this machine.</param>
    /// <returns>The tables.</returns>
    public static LanTables Make(
        int device, in PathLink link, int tunnel, IEnumerable<Route> routes, Dictionary<HostAddress, LanNeighbour> neighbours, IReadOnlyList<LinkAddress> addresses)
    {
        AllowedIpsBuilder<LanRoute> builder = AllowedIps<LanRoute>.Empty.ToBuilder();
        Dictionary<LanRoute, LanRoute> known = [];
        foreach ((IpPrefix prefix, Route route) in Best(routes))
        {
            bool ours = link.IsRunning && route.LinkIndex == device && route.Table == Route.MainTable;
            LanRoute made = ours ? new LanRoute(true, route.Gateway is { } gateway ? HostAddress.From(gateway) : null, route.Mtu) : s_kernel;
            if (!known.TryGetValue(made, out LanRoute? same))
            {
                known[made] = same = made;
            }

            builder.Add(prefix, same);
        }

        return new LanTables(builder.ToImmutable(), neighbours, link.Mtu)
        {
            IsRunning = link.IsRunning,
            Mac = link.Mac,
            LanSource = Sources(addresses, device, tunnel),
            TunnelSource = Sources(addresses, tunnel, device),
        };
    }

    /// <summary>Of several routes to one prefix, the one that the kernel takes: of the table local first, then of the lowest metric.</summary>
    /// <param name="routes">All routes.</param>
    /// <returns>One route a prefix, of the tables local and main.</returns>
    public static Dictionary<IpPrefix, Route> Best(IEnumerable<Route> routes)
    {
        Dictionary<IpPrefix, Route> best = [];
        foreach (Route route in routes.Where(route => route.Table is Route.MainTable or Route.LocalTable))
        {
            var prefix = IpPrefix.From(route.Destination);
            if (!best.TryGetValue(prefix, out Route? other) || Rank(route) < Rank(other))
            {
                best[prefix] = route;
            }
        }

        return best;
    }

    /// <summary>Finds the neighbour that a packet goes to.</summary>
    /// <param name="destination">The packet's destination.</param>
    /// <param name="mtu">Bytes of the largest packet that goes there unbroken.</param>
    /// <returns>The neighbour; null where the kernel must send: it is this machine, another device, or not resolved.</returns>
    public LanNeighbour? Find(HostAddress destination, out int mtu)
    {
        LanRoute? route = destination.IsIPv6 ? _routes.FindIPv6(destination.Value) : _routes.FindIPv4((uint)destination.Value);
        mtu = _mtu;
        if (route is not { IsOurs: true })
        {
            return null;
        }

        mtu = route.Mtu == 0 ? _mtu : Math.Min(route.Mtu, _mtu);
        return _neighbours.GetValueOrDefault(route.Gateway ?? destination);
    }

    private static long Rank(Route route) => route.Table == Route.LocalTable ? -1 : route.Priority;

    private static (UInt128 Four, UInt128 Six) Sources(IReadOnlyList<LinkAddress> addresses, int first, int second)
    {
        UInt128 Of(bool isIPv6)
        {
            foreach (int link in (ReadOnlySpan<int>)[first, second])
            {
                foreach (LinkAddress address in addresses)
                {
                    var value = HostAddress.From(address.Address);
                    if (address.LinkIndex == link && value.IsIPv6 == isIPv6 && !address.Address.IsIPv6LinkLocal)
                    {
                        return value.Value;
                    }
                }
            }

            return 0;
        }

        return (Of(false), Of(true));
    }
}
