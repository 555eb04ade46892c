using System.Buffers.Binary;

namespace TunnelBox.Linux.Netlink;

/// <summary>Where a base chain of nftables is called (NF_INET_*).</summary>
public enum NftablesHook
{
    /// <summary>Every packet that comes in, before it is routed.</summary>
    Prerouting = 0,

    /// <summary>Every packet that passes through, after it was routed.</summary>
    Forward = 2,

    /// <summary>Every packet of this machine's own, after it was routed.</summary>
    Output = 3,

    /// <summary>Every packet that goes out, after it was routed.</summary>
    Postrouting = 4,
}

/// <summary>A table of nftables: one family's chains under a name.</summary>
/// <param name="Family">The address family; others than 2 (ip) and 10 (ip6) are those of nf_tables.h.</param>
/// <param name="Name">Its name.</param>
public sealed record NftablesTable(byte Family, string Name)
{
    /// <summary>Names a table of IPv4 or IPv6.</summary>
    /// <param name="ipv6">Which.</param>
    /// <param name="name">Its name.</param>
    /// <returns>The table.</returns>
    public static NftablesTable Of(bool ipv6, string name) => new(ipv6 ? Rtnetlink.AF_INET6 : Rtnetlink.AF_INET, name);

    /// <inheritdoc/>
    public override string ToString() => $"{(Family == Rtnetlink.AF_INET ? "ip " : Family == Rtnetlink.AF_INET6 ? "ip6 " : string.Empty)}{Name}";
}

/// <summary>Changes of nftables that the kernel makes together or not at all.</summary>
public sealed class NftablesBatch
{
    private readonly List<(NetlinkWriter Request, string Operation)> _requests = [];

    /// <summary>Gets the requests between the batch's first and last message, each with the middle of a sentence that names it.</summary>
    internal IReadOnlyList<(NetlinkWriter Request, string Operation)> Requests => _requests;

    /// <summary>Adds a table; one that is there stays as it is.</summary>
    /// <param name="table">The table.</param>
    /// <returns>This batch.</returns>
    public NftablesBatch AddTable(NftablesTable table)
    {
        Begin(Nfnetlink.NFT_MSG_NEWTABLE, Rtnetlink.NLM_F_CREATE, table.Family, $"adding the nftables table {table}")
            .Attribute(Nfnetlink.NFTA_TABLE_NAME, table.Name);
        return this;
    }

    /// <summary>Deletes a table with all in it.</summary>
    /// <param name="table">The table.</param>
    /// <returns>This batch.</returns>
    public NftablesBatch DeleteTable(NftablesTable table)
    {
        Begin(Nfnetlink.NFT_MSG_DELTABLE, 0, table.Family, $"deleting the nftables table {table}").Attribute(Nfnetlink.NFTA_TABLE_NAME, table.Name);
        return this;
    }

    /// <summary>Adds a chain of type filter that the kernel calls at a hook.</summary>
    /// <param name="table">Its table.</param>
    /// <param name="name">Its name.</param>
    /// <param name="hook">Where it is called.</param>
    /// <param name="priority">When, among the others there: the lowest first.</param>
    /// <returns>This batch.</returns>
    public NftablesBatch AddChain(NftablesTable table, string name, NftablesHook hook, int priority)
    {
        NetlinkWriter request = Begin(Nfnetlink.NFT_MSG_NEWCHAIN, Rtnetlink.NLM_F_CREATE, table.Family, $"adding the nftables chain {table} {name}")
            .Attribute(Nfnetlink.NFTA_CHAIN_TABLE, table.Name)
            .Attribute(Nfnetlink.NFTA_CHAIN_NAME, name)
            .Attribute(Nfnetlink.NFTA_CHAIN_TYPE, "filter");
        int nest = request.BeginNest(Nfnetlink.NFTA_CHAIN_HOOK | Nfnetlink.NLA_F_NESTED);
        request.Attribute(Nfnetlink.NFTA_HOOK_HOOKNUM, NftablesRule.Big((uint)hook))
            .Attribute(Nfnetlink.NFTA_HOOK_PRIORITY, NftablesRule.Big(unchecked((uint)priority)))
            .EndNest(nest);
        return this;
    }

    /// <summary>Adds a rule at the end of a chain.</summary>
    /// <param name="table">The chain's table.</param>
    /// <param name="chain">The chain.</param>
    /// <param name="rule">The rule.</param>
    /// <returns>This batch.</returns>
    public NftablesBatch AddRule(NftablesTable table, string chain, NftablesRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        ushort flags = Rtnetlink.NLM_F_CREATE | Nfnetlink.NLM_F_APPEND;
        NetlinkWriter request = Begin(Nfnetlink.NFT_MSG_NEWRULE, flags, table.Family, $"adding a rule to the nftables chain {table} {chain}")
            .Attribute(Nfnetlink.NFTA_RULE_TABLE, table.Name)
            .Attribute(Nfnetlink.NFTA_RULE_CHAIN, chain);
        int nest = request.BeginNest(Nfnetlink.NFTA_RULE_EXPRESSIONS | Nfnetlink.NLA_F_NESTED);
        rule.Write(request);
        request.EndNest(nest);
        return this;
    }

    /// <summary>The message that opens or closes a batch.</summary>
    /// <param name="type">NFNL_MSG_BATCH_BEGIN or NFNL_MSG_BATCH_END.</param>
    /// <returns>The message.</returns>
    internal static NetlinkWriter Edge(ushort type) => new NetlinkWriter(type, 0).Struct(new Nfnetlink.Nfgenmsg
    {
        ResourceId = BinaryPrimitives.ReverseEndianness(Nfnetlink.NFNL_SUBSYS_NFTABLES),
    });

    private NetlinkWriter Begin(ushort type, ushort flags, byte family, string operation)
    {
        NetlinkWriter request = new(type, flags);
        request.Struct(new Nfnetlink.Nfgenmsg { Family = family });
        _requests.Add((request, operation));
        return request;
    }
}
