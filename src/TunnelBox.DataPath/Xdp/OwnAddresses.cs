using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Keeps the inner program in step with what the kernel's table <c>local</c> holds: this machine's addresses, their broadcast addresses, prefixes that are
/// its own as a whole. What comes from another machine in their name is for the kernel to judge: Linux drops it in IPv4 (fib_validate_source) and passes it on in IPv6.
/// </summary>
/// <param name="program">The program.</param>
internal sealed class OwnAddresses(InnerProgram program)
{
    private HashSet<IpPrefix> _set = [];

    /// <summary>Finds which addresses and prefixes are this machine's own.</summary>
    /// <param name="routes">All routes.</param>
    /// <returns>Each once.</returns>
    public static HashSet<IpPrefix> Of(IEnumerable<Route> routes) =>
        [.. routes.Where(route => route.Table == Route.LocalTable).Select(route => IpPrefix.From(route.Destination))];

    /// <summary>Makes the program's addresses those of the kernel's tables; only what is different is told to it.</summary>
    /// <param name="routes">All routes.</param>
    /// <returns>0, or −errno; then what the program has is unknown, and it must go.</returns>
    public int Follow(IEnumerable<Route> routes)
    {
        HashSet<IpPrefix> wanted = Of(routes);
        int error = program.Own([.. wanted.Where(prefix => !_set.Contains(prefix))]);
        if (error < 0)
        {
            return error;
        }

        IpPrefix[] gone = [.. _set.Where(prefix => !wanted.Contains(prefix))];
        _set = wanted;
        return program.Disown(gone);
    }
}
