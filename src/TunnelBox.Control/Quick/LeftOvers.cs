using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>What a tunnel whose daemon was killed leaves behind: its interface and routes go with the process, its rules and guards do not.</summary>
/// <param name="settings">The namespace's settings.</param>
public sealed class LeftOvers(NetworkSettings settings)
{
    /// <summary>Removes the leak guard of an interface, and the rules of default routes that lead nowhere any more.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>Rules that were removed.</returns>
    /// <remarks>A rule that sends what lacks a mark into the table of the mark's number, which is empty, is a dead tunnel's: a live one lays its route before its rule.</remarks>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    public int Remove(string interfaceName)
    {
        new LeakGuard(settings, interfaceName).Remove();
        int removed = 0;
        foreach (bool ipv6 in new[] { false, true })
        {
            HashSet<uint> filled = [.. settings.Routes(ipv6).Select(route => route.Table)];
            List<Rule> rules = settings.Rules(ipv6);
            List<Rule> dead = rules.FindAll(rule => rule.Invert && rule.Mark == rule.Table && !filled.Contains(rule.Table));
            // Each of them came with a rule that lets the main table's narrower routes go first.
            IEnumerable<Rule> companions = rules.Where(rule => rule is { Table: Route.MainTable, SuppressPrefixLength: 0, Mark: null }).Take(dead.Count);
            foreach (Rule rule in dead.Concat(companions))
            {
                settings.Remove(rule);
                removed++;
            }
        }

        return removed;
    }
}
