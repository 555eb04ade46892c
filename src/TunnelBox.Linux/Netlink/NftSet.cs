using System.Buffers.Binary;

namespace TunnelBox.Linux.Netlink;

/// <summary>One element of a set or map.</summary>
/// <param name="Key">What it is found by; empty for the one that catches the rest.</param>
/// <param name="Value">What a map gives for it, or null.</param>
/// <param name="Verdict">The nest NFTA_DATA_VERDICT that a verdict map gives for it, or null.</param>
/// <param name="EndsInterval">Whether its key is the first one behind an interval.</param>
/// <param name="CatchesAll">Whether it stands for all keys without an element.</param>
public sealed record NftElement(byte[] Key, byte[]? Value, byte[]? Verdict, bool EndsInterval, bool CatchesAll);

/// <summary>A set or map of nftables that a rule looks something up in.</summary>
/// <param name="Family">The table's family.</param>
/// <param name="Table">Its table.</param>
/// <param name="Name">Its name; <c>__set0</c> and the like where a rule has it in braces.</param>
/// <param name="IsInterval">Whether its elements are the edges of intervals.</param>
/// <param name="Elements">What it holds; null where its keys are joined of several fields with ranges, which are not read here.</param>
public sealed record NftSet(byte Family, string Table, string Name, bool IsInterval, IReadOnlyList<NftElement>? Elements)
{
    // The one list that stands for "has ranges of joined fields"; it stays empty.
    private static readonly List<NftElement> s_unreadable = [];

    /// <summary>Finds what a set holds for a key.</summary>
    /// <param name="key">The key, as the kernel's register holds it.</param>
    /// <returns>Whether it holds it (null where that cannot be told), and the element.</returns>
    public (bool? Holds, NftElement? Element) Find(ReadOnlySpan<byte> key)
    {
        if (Elements is null)
        {
            return (null, null);
        }

        NftElement? found = null, rest = null;
        foreach (NftElement element in Elements)
        {
            if (element.CatchesAll)
            {
                rest = element;
                continue;
            }

            if (element.Key.Length != key.Length)
            {
                // Joined fields: the register at hand is only the first of them.
                return (null, null);
            }

            int order = element.Key.AsSpan().SequenceCompareTo(key);
            if (!IsInterval)
            {
                found = order == 0 ? element : found;
            }
            else if (order <= 0 && (found is null || IsBehind(element, found)))
            {
                found = element;
            }
        }

        found = found is { EndsInterval: true } ? null : found;
        found ??= rest;
        return (found is not null, found);
    }

    /// <summary>Reads the sets that rules look something up in.</summary>
    /// <param name="socket">The packet filter.</param>
    /// <param name="rules">The rules.</param>
    /// <returns>The sets.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    internal static List<NftSet> Read(NftablesSocket socket, IReadOnlyList<NftRule> rules)
    {
        HashSet<(byte, string, string)> wanted = [.. rules.SelectMany(rule => rule.Expressions.Where(e => e.Name == "lookup")
            .Select(e => (rule.Family, rule.Table, e.Text(Nfnetlink.NFTA_LOOKUP_SET) ?? string.Empty)))];
        if (wanted.Count == 0)
        {
            return [];
        }

        List<NftSet> sets = [];
        foreach (NftSet set in socket.List(Nfnetlink.NFT_MSG_GETSET, "listing firewall sets", Parse))
        {
            if (wanted.Contains((set.Family, set.Table, set.Name)))
            {
                NetlinkWriter request = new NetlinkWriter(Nfnetlink.NFT_MSG_GETSETELEM, 0).Struct(new Nfnetlink.Nfgenmsg { Family = set.Family })
                    .Attribute(Nfnetlink.NFTA_SET_ELEM_LIST_TABLE, set.Table).Attribute(Nfnetlink.NFTA_SET_ELEM_LIST_SET, set.Name);
                List<List<NftElement>> parts = socket.List(request, $"listing the firewall set {set.Name}", ParseElements);
                sets.Add(set with { Elements = parts.Contains(s_unreadable) ? null : [.. parts.SelectMany(part => part)] });
            }
        }

        return sets;
    }

    /// <summary>Reads an NFT_MSG_NEWSET.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The set without its elements, or null where the message is cut short.</returns>
    internal static NftSet? Parse(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Nfnetlink.Nfgenmsg header, out NetlinkAttributes attributes))
        {
            return null;
        }

        NftSet set = new(header.Family, string.Empty, string.Empty, false, []);
        foreach (NetlinkAttribute attribute in attributes)
        {
            set = attribute.Type switch
            {
                Nfnetlink.NFTA_SET_TABLE => set with { Table = attribute.Text },
                Nfnetlink.NFTA_SET_NAME => set with { Name = attribute.Text },
                Nfnetlink.NFTA_SET_FLAGS when attribute.Payload.Length >= 4 =>
                    set with { IsInterval = (BinaryPrimitives.ReadUInt32BigEndian(attribute.Payload) & Nfnetlink.NFT_SET_INTERVAL) != 0 },
                _ => set,
            };
        }

        return set;
    }

    /// <summary>Reads an NFT_MSG_NEWSETELEM.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The elements in it, or null where the message is cut short.</returns>
    internal static List<NftElement>? ParseElements(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Nfnetlink.Nfgenmsg _, out NetlinkAttributes attributes))
        {
            return null;
        }

        List<NftElement> elements = [];
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == Nfnetlink.NFTA_SET_ELEM_LIST_ELEMENTS)
            {
                foreach (NetlinkAttribute one in new NetlinkAttributes(attribute.Payload))
                {
                    if (ParseElement(one.Payload) is not { } element)
                    {
                        return s_unreadable;
                    }

                    elements.Add(element);
                }
            }
        }

        return elements;
    }

    // Of two edges at one key, where one interval ends and the next begins, the beginning counts.
    private static bool IsBehind(NftElement element, NftElement other)
    {
        int order = element.Key.AsSpan().SequenceCompareTo(other.Key);
        return order > 0 || (order == 0 && other.EndsInterval);
    }

    private static NftElement? ParseElement(ReadOnlySpan<byte> payload)
    {
        NftElement element = new([], null, null, false, false);
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(payload))
        {
            switch (attribute.Type)
            {
                case Nfnetlink.NFTA_SET_ELEM_KEY:
                    element = element with { Key = Within(attribute.Payload, Nfnetlink.NFTA_DATA_VALUE) ?? [] };
                    break;
                case Nfnetlink.NFTA_SET_ELEM_DATA:
                    element = element with { Value = Within(attribute.Payload, Nfnetlink.NFTA_DATA_VALUE), Verdict = Within(attribute.Payload, Nfnetlink.NFTA_DATA_VERDICT) };
                    break;
                case Nfnetlink.NFTA_SET_ELEM_FLAGS when attribute.Payload.Length >= 4:
                    uint flags = BinaryPrimitives.ReadUInt32BigEndian(attribute.Payload);
                    element = element with { EndsInterval = (flags & Nfnetlink.NFT_SET_ELEM_INTERVAL_END) != 0, CatchesAll = (flags & Nfnetlink.NFT_SET_ELEM_CATCHALL) != 0 };
                    break;
                case Nfnetlink.NFTA_SET_ELEM_KEY_END:
                    return null;
            }
        }

        return element;
    }

    private static byte[]? Within(ReadOnlySpan<byte> nest, ushort type)
    {
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(nest))
        {
            if (attribute.Type == type)
            {
                return attribute.Payload.ToArray();
            }
        }

        return null;
    }
}
