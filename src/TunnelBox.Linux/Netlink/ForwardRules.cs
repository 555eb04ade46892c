namespace TunnelBox.Linux.Netlink;

/// <summary>Finds out whether a firewall looks at packets that this machine forwards.</summary>
public static class ForwardRules
{
    private const uint ForwardHook = 2;
    private const byte Inet = 1;

    // Rules of iptables-legacy are no part of nftables; that the table is in use is all that can be seen of them cheaply.
    private const string LegacyTables4 = "/proc/thread-self/net/ip_tables_names";
    private const string LegacyTables6 = "/proc/thread-self/net/ip6_tables_names";

    /// <summary>Looks for rules at the hook "forward" in the calling thread's network namespace.</summary>
    /// <returns>The first chain that has any or drops by policy, for people; null where nothing looks at forwarded packets.</returns>
    /// <exception cref="NetlinkException">The kernel refused: CAP_NET_ADMIN is needed.</exception>
    public static string? Find() => Find(Nftables.Read()) ?? Legacy(LegacyTables4, "iptables-legacy") ?? Legacy(LegacyTables6, "ip6tables-legacy");

    /// <summary>Looks for rules at the hook "forward".</summary>
    /// <param name="rules">The rules of a network namespace.</param>
    /// <returns>As <see cref="Find()"/>.</returns>
    public static string? Find(Nftables rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        foreach (NftChain chain in rules.Chains)
        {
            if (chain is { Hook: ForwardHook, Family: Inet or Rtnetlink.AF_INET or Rtnetlink.AF_INET6 }
                && (chain.Drops || rules.Rules.Any(rule => rule.Family == chain.Family && rule.Table == chain.Table && rule.Chain == chain.Name)))
            {
                return $"chain {chain.Name} of table {chain.Table}";
            }
        }

        return null;
    }

    private static string? Legacy(string path, string name)
    {
        try
        {
            return File.ReadAllLines(path).Contains("filter", StringComparer.Ordinal) ? $"the table filter of {name}" : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A kernel without them.
            return null;
        }
    }
}
