using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Keeps the inner program's prefixes in step with the peers' allowed IPs, less what the kernel routes elsewhere by an equal or
/// narrower route: its own addresses, other networks inside. A default route never stands against allowed IPs, as with the
/// rules of wg-quick(8).
/// </summary>
/// <param name="program">The program.</param>
internal sealed class PrefixMirror(InnerProgram program)
{
    private Dictionary<IpPrefix, PrefixOwner> _set = [];

    /// <summary>Gets how many prefixes are set.</summary>
    public int Count => _set.Count;

    /// <summary>Finds whose each prefix is.</summary>
    /// <param name="allowed">Every peer's allowed IPs.</param>
    /// <param name="routes">All routes.</param>
    /// <param name="tunnel">The TUN device: a route over it leads into the tunnel.</param>
    /// <returns>The prefixes that matter; what no allowed IP covers is left out.</returns>
    public static Dictionary<IpPrefix, PrefixOwner> Owners(IEnumerable<IpPrefix> allowed, IEnumerable<Route> routes, int tunnel)
    {
        Dictionary<IpPrefix, PrefixOwner> owners = [];
        SortedSet<int> lengths4 = [];
        SortedSet<int> lengths6 = [];
        foreach (IpPrefix prefix in allowed)
        {
            owners[prefix] = PrefixOwner.Tunnel;
            (prefix.IsIPv6 ? lengths6 : lengths4).Add(prefix.Length);
        }

        List<KeyValuePair<IpPrefix, PrefixOwner>> routed = [];
        foreach ((IpPrefix prefix, Route route) in LanTables.Best(routes))
        {
            if (prefix.Length > 0 && (prefix.IsIPv6 ? lengths6 : lengths4).Any(length =>
                length <= prefix.Length && owners.ContainsKey(new IpPrefix(prefix.Address, length, prefix.IsIPv6))))
            {
                bool inward = route.LinkIndex == tunnel && route.Table == Route.MainTable;
                routed.Add(new(prefix, inward ? PrefixOwner.Tunnel : PrefixOwner.Kernel));
            }
        }

        foreach ((IpPrefix prefix, PrefixOwner owner) in routed)
        {
            owners[prefix] = owner;
        }

        return owners;
    }

    /// <summary>Makes the program's prefixes these; only what is different is told to the kernel, in one call each way and family.</summary>
    /// <param name="wanted">The prefixes, owned by the mirror from now on.</param>
    /// <returns>0, or −errno; then what the program has is unknown, and it must go.</returns>
    public int Follow(Dictionary<IpPrefix, PrefixOwner> wanted)
    {
        // Added first: in between, a packet takes the wider prefix's way or the new one's, never none.
        List<KeyValuePair<IpPrefix, PrefixOwner>> changed = [];
        foreach (KeyValuePair<IpPrefix, PrefixOwner> each in wanted)
        {
            if (!_set.TryGetValue(each.Key, out PrefixOwner owner) || owner != each.Value)
            {
                changed.Add(each);
            }
        }

        int error = program.Set(changed);
        if (error < 0)
        {
            return error;
        }

        IpPrefix[] gone = [.. _set.Keys.Where(prefix => !wanted.ContainsKey(prefix))];
        _set = wanted;
        return program.Forget(gone);
    }
}
