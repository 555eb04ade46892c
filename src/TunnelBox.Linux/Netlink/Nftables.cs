using System.Buffers.Binary;
using System.Text;

namespace TunnelBox.Linux.Netlink;

/// <summary>One expression of a rule: what it is called, and its attributes by number.</summary>
/// <param name="Name">The kernel's name: meta, payload, cmp, immediate, …</param>
/// <param name="Attributes">Its attributes.</param>
public sealed record NftExpression(string Name, IReadOnlyDictionary<ushort, byte[]> Attributes)
{
    /// <summary>Reads an attribute of 32 bits in network order.</summary>
    /// <param name="type">Its number.</param>
    /// <returns>Its value, or null.</returns>
    public uint? Number(ushort type) => Attributes.TryGetValue(type, out byte[]? bytes) && bytes.Length >= 4 ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : null;

    /// <summary>Reads an attribute of text.</summary>
    /// <param name="type">Its number.</param>
    /// <returns>Its value without the NUL at its end, or null.</returns>
    public string? Text(ushort type) => Attributes.TryGetValue(type, out byte[]? bytes) ? Encoding.ASCII.GetString(bytes).TrimEnd('\0') : null;

    /// <summary>Reads the bytes of an attribute of data (NFTA_DATA_VALUE).</summary>
    /// <param name="type">Its number.</param>
    /// <returns>The bytes, or null.</returns>
    public byte[]? Value(ushort type) => Nested(type, Nfnetlink.NFTA_DATA_VALUE);

    /// <summary>Reads an attribute within an attribute.</summary>
    /// <param name="outer">The outer one's number.</param>
    /// <param name="inner">The inner one's number.</param>
    /// <returns>Its bytes, or null.</returns>
    public byte[]? Nested(ushort outer, ushort inner)
    {
        if (Attributes.TryGetValue(outer, out byte[]? bytes))
        {
            foreach (NetlinkAttribute attribute in new NetlinkAttributes(bytes))
            {
                if (attribute.Type == inner)
                {
                    return attribute.Payload.ToArray();
                }
            }
        }

        return null;
    }
}

/// <summary>A rule.</summary>
/// <param name="Family">The table's family: NFPROTO_IPV4 is 2, IPV6 is 10, INET is 1.</param>
/// <param name="Table">Its table.</param>
/// <param name="Chain">Its chain.</param>
/// <param name="Handle">Its number, as <c>nft -a list ruleset</c> shows it.</param>
/// <param name="Expressions">What it does, in order.</param>
public sealed record NftRule(byte Family, string Table, string Chain, ulong Handle, IReadOnlyList<NftExpression> Expressions);

/// <summary>A chain.</summary>
/// <param name="Family">The table's family.</param>
/// <param name="Table">Its table.</param>
/// <param name="Name">Its name.</param>
/// <param name="Type">filter, nat or route; empty for one that is only jumped to.</param>
/// <param name="Hook">NF_INET_*: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting; null for one that is only jumped to.</param>
/// <param name="Priority">Lower comes first.</param>
/// <param name="Drops">Whether what no rule decides is dropped.</param>
public sealed record NftChain(byte Family, string Table, string Name, string Type, uint? Hook, int Priority, bool Drops);

/// <summary>The nftables rules of one network namespace, read over netlink, so that no nft(8) is needed.</summary>
/// <param name="Chains">The chains.</param>
/// <param name="Rules">The rules, in the order of each chain.</param>
/// <param name="Sets">The sets and maps that a rule looks something up in.</param>
public sealed record Nftables(IReadOnlyList<NftChain> Chains, IReadOnlyList<NftRule> Rules, IReadOnlyList<NftSet> Sets)
{
    /// <summary>Gets the rules of a machine that has none.</summary>
    public static Nftables None { get; } = new([], [], []);

    /// <summary>Reads the rules of the calling thread's network namespace.</summary>
    /// <returns>The rules; none where the kernel has no nftables.</returns>
    /// <exception cref="NetlinkException">The kernel refused: CAP_NET_ADMIN is needed.</exception>
    public static Nftables Read()
    {
        try
        {
            using NftablesSocket socket = NftablesSocket.Open();
            List<NftChain> chains = socket.List(Nfnetlink.NFT_MSG_GETCHAIN, "listing firewall chains", ParseChain);
            List<NftRule> rules = socket.List(Nfnetlink.NFT_MSG_GETRULE, "listing firewall rules", ParseRule);
            return new Nftables(chains, rules, NftSet.Read(socket, rules));
        }
        catch (NetlinkException e) when (e.Errno == NetlinkException.NoProtocol)
        {
            // Without nfnetlink there are no rules.
            return None;
        }
    }

    /// <summary>Reads an NFT_MSG_NEWCHAIN.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The chain, or null where the message is cut short.</returns>
    internal static NftChain? ParseChain(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 4)
        {
            return null;
        }

        NftChain chain = new(payload[0], string.Empty, string.Empty, string.Empty, null, 0, false);
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(payload[4..]))
        {
            switch (attribute.Type)
            {
                case Nfnetlink.NFTA_CHAIN_TABLE:
                    chain = chain with { Table = attribute.Text };
                    break;
                case Nfnetlink.NFTA_CHAIN_NAME:
                    chain = chain with { Name = attribute.Text };
                    break;
                case Nfnetlink.NFTA_CHAIN_HOOK:
                    foreach (NetlinkAttribute hook in new NetlinkAttributes(attribute.Payload))
                    {
                        chain = hook.Type switch
                        {
                            Nfnetlink.NFTA_HOOK_HOOKNUM when hook.Payload.Length >= 4 => chain with { Hook = BinaryPrimitives.ReadUInt32BigEndian(hook.Payload) },
                            Nfnetlink.NFTA_HOOK_PRIORITY when hook.Payload.Length >= 4 => chain with { Priority = BinaryPrimitives.ReadInt32BigEndian(hook.Payload) },
                            _ => chain,
                        };
                    }

                    break;
                case Nfnetlink.NFTA_CHAIN_POLICY when attribute.Payload.Length >= 4:
                    chain = chain with { Drops = BinaryPrimitives.ReadUInt32BigEndian(attribute.Payload) == Nfnetlink.NF_DROP };
                    break;
                case Nfnetlink.NFTA_CHAIN_TYPE:
                    chain = chain with { Type = attribute.Text };
                    break;
            }
        }

        return chain;
    }

    /// <summary>Reads an NFT_MSG_NEWRULE.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The rule, or null where the message is cut short.</returns>
    internal static NftRule? ParseRule(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 4)
        {
            return null;
        }

        List<NftExpression> expressions = [];
        NftRule rule = new(payload[0], string.Empty, string.Empty, 0, expressions);
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(payload[4..]))
        {
            switch (attribute.Type)
            {
                case Nfnetlink.NFTA_RULE_TABLE:
                    rule = rule with { Table = attribute.Text };
                    break;
                case Nfnetlink.NFTA_RULE_CHAIN:
                    rule = rule with { Chain = attribute.Text };
                    break;
                case Nfnetlink.NFTA_RULE_HANDLE when attribute.Payload.Length >= 8:
                    rule = rule with { Handle = BinaryPrimitives.ReadUInt64BigEndian(attribute.Payload) };
                    break;
                case Nfnetlink.NFTA_RULE_EXPRESSIONS:
                    foreach (NetlinkAttribute element in new NetlinkAttributes(attribute.Payload))
                    {
                        expressions.Add(ParseExpression(element.Payload));
                    }

                    break;
            }
        }

        return rule;
    }

    private static NftExpression ParseExpression(ReadOnlySpan<byte> element)
    {
        string name = string.Empty;
        Dictionary<ushort, byte[]> attributes = [];
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(element))
        {
            if (attribute.Type == Nfnetlink.NFTA_EXPR_NAME)
            {
                name = attribute.Text;
            }
            else if (attribute.Type == Nfnetlink.NFTA_EXPR_DATA)
            {
                foreach (NetlinkAttribute data in new NetlinkAttributes(attribute.Payload))
                {
                    attributes[data.Type] = data.Payload.ToArray();
                }
            }
        }

        return new NftExpression(name, attributes);
    }
}
