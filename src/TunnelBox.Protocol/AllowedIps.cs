using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.CompilerServices;

namespace TunnelBox.Protocol;

/// <summary>
/// Which peer owns which addresses: longest-prefix match for both families (cryptokey routing, WireGuard paper, section 2).
/// A value of this type never changes: changing it gives another one that shares nearly everything, so workers look
/// addresses up without locks while a new table is made. Look-ups allocate nothing.
/// </summary>
/// <typeparam name="T">The peer; told apart by reference.</typeparam>
public sealed class AllowedIps<T>
    where T : class
{
    internal AllowedIps(PrefixNode<uint>? ipv4, PrefixNode<IPv6Key>? ipv6, OwnerIndex? owners, int count, uint token, uint sequence)
    {
        IPv4 = ipv4;
        IPv6 = ipv6;
        Owners = owners;
        Count = count;
        Token = token;
        Sequence = sequence;
    }

    /// <summary>Gets the table without any prefix.</summary>
    [SuppressMessage("Design", "CA1000", Justification = "Empty belongs to its type, as with the framework's immutable collections.")]
    public static AllowedIps<T> Empty { get; } = new(null, null, null, 0, 0, 0);

    /// <summary>Gets the number of prefixes of both families.</summary>
    public int Count { get; }

    internal PrefixNode<uint>? IPv4 { get; }

    internal PrefixNode<IPv6Key>? IPv6 { get; }

    internal OwnerIndex? Owners { get; }

    // The edit that made this table.
    internal uint Token { get; }

    // The last addition's number.
    internal uint Sequence { get; }

    /// <summary>Finds the peer that owns an IPv4 address.</summary>
    /// <param name="address">The address in host order.</param>
    /// <returns>The owner of the longest prefix that covers it, or null.</returns>
    public T? FindIPv4(uint address) => Unsafe.As<T?>(PrefixTrie<uint, IPv4Bits>.Find(IPv4, address));

    /// <summary>Finds the peer that owns an IPv6 address.</summary>
    /// <param name="high">The first eight bytes, in host order.</param>
    /// <param name="low">The last eight bytes, in host order.</param>
    /// <returns>The owner of the longest prefix that covers it, or null.</returns>
    public T? FindIPv6(ulong high, ulong low) => Unsafe.As<T?>(PrefixTrie<IPv6Key, IPv6Bits>.Find(IPv6, new IPv6Key(high, low)));

    /// <summary>Finds the peer that owns an IPv6 address.</summary>
    /// <param name="address">The address in host order.</param>
    /// <returns>The owner of the longest prefix that covers it, or null.</returns>
    public T? FindIPv6(UInt128 address) => FindIPv6((ulong)(address >> 64), (ulong)address);

    /// <summary>Finds the peer that a packet goes to, by its destination address.</summary>
    /// <param name="packet">The packet, from its IP header on.</param>
    /// <returns>The owner; null where no prefix covers the address or the bytes are no IPv4 or IPv6 header.</returns>
    public T? FindDestination(ReadOnlySpan<byte> packet) => Find(packet, 16, 24);

    /// <summary>Finds the peer that a packet may come from, by its source address.</summary>
    /// <param name="packet">The packet, from its IP header on.</param>
    /// <returns>The owner; null where no prefix covers the address or the bytes are no IPv4 or IPv6 header.</returns>
    public T? FindSource(ReadOnlySpan<byte> packet) => Find(packet, 12, 8);

    /// <summary>Finds the owner of exactly one prefix.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <returns>The owner, or null where exactly this prefix is not in the table.</returns>
    public T? FindExact(IpPrefix prefix) => Unsafe.As<T?>(prefix.IsIPv6
        ? PrefixTrie<IPv6Key, IPv6Bits>.FindExact(IPv6, IPv6Key.From(prefix.Address), prefix.Length)?.Owner
        : PrefixTrie<uint, IPv4Bits>.FindExact(IPv4, (uint)prefix.Address, prefix.Length)?.Owner);

    /// <summary>Gives a prefix to a peer, taking it from the peer that had it.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="owner">The peer.</param>
    /// <returns>The new table.</returns>
    public AllowedIps<T> With(IpPrefix prefix, T owner)
    {
        AllowedIpsBuilder<T> builder = ToBuilder();
        builder.Add(prefix, owner);
        return builder.ToImmutable();
    }

    /// <summary>Gives a network to a peer, taking it from the peer that had it.</summary>
    /// <param name="network">The network.</param>
    /// <param name="owner">The peer.</param>
    /// <returns>The new table.</returns>
    public AllowedIps<T> With(IPNetwork network, T owner) => With(IpPrefix.From(network), owner);

    /// <summary>Takes a prefix from a peer, if it is that peer's.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="owner">The peer.</param>
    /// <returns>The new table; this one where another peer, or none, has the prefix.</returns>
    public AllowedIps<T> Without(IpPrefix prefix, T owner)
    {
        AllowedIpsBuilder<T> builder = ToBuilder();
        return builder.Remove(prefix, owner) ? builder.ToImmutable() : this;
    }

    /// <summary>Takes all prefixes from a peer; costs as much as the peer has prefixes.</summary>
    /// <param name="owner">The peer.</param>
    /// <returns>The new table; this one where the peer has none.</returns>
    public AllowedIps<T> WithoutOwner(T owner)
    {
        AllowedIpsBuilder<T> builder = ToBuilder();
        return builder.RemoveOwner(owner) > 0 ? builder.ToImmutable() : this;
    }

    /// <summary>Starts an edit of many changes; this table stays as it is.</summary>
    /// <returns>A builder, for one thread.</returns>
    public AllowedIpsBuilder<T> ToBuilder() => new(this);

    /// <summary>Counts a peer's prefixes.</summary>
    /// <param name="owner">The peer.</param>
    /// <returns>How many it has.</returns>
    public int CountOf(T owner) => OwnerIndex.Find(Owners, owner)?.Live ?? 0;

    /// <summary>Lists a peer's prefixes as wg(8) shows them: in the order they were given; one given again moves to the end.</summary>
    /// <param name="owner">The peer.</param>
    /// <returns>Its prefixes.</returns>
    public IpPrefix[] PrefixesOf(T owner)
    {
        if (OwnerIndex.Find(Owners, owner) is not { } entry)
        {
            return [];
        }

        var prefixes = new IpPrefix[entry.Live];
        int count = 0;
        for (int i = 0; i < entry.Used; i++)
        {
            if (IsLive(IPv4, IPv6, entry[i]))
            {
                prefixes[count++] = entry[i].ToIpPrefix();
            }
        }

        return prefixes;
    }

    /// <summary>Lists a peer's prefixes in the order of <see cref="PrefixesOf"/>, in the framework's type.</summary>
    /// <param name="owner">The peer.</param>
    /// <returns>Its networks.</returns>
    public IPNetwork[] NetworksOf(T owner) => Array.ConvertAll(PrefixesOf(owner), static prefix => prefix.ToIPNetwork());

    /// <summary>Lists every prefix: IPv4 first, each family by rising address, wider prefixes before those inside them.</summary>
    /// <returns>The prefixes with their owners.</returns>
    public IReadOnlyList<(IpPrefix Prefix, T Owner)> ToList()
    {
        var list = new List<(IpPrefix Prefix, T Owner)>(Count);
        PrefixTrie<uint, IPv4Bits>.Visit(
            IPv4, node => list.Add((new IpPrefix(node.Key, node.Length, false), Unsafe.As<T>(node.Owner!))));
        PrefixTrie<IPv6Key, IPv6Bits>.Visit(
            IPv6, node => list.Add((new IpPrefix(node.Key.ToUInt128(), node.Length, true), Unsafe.As<T>(node.Owner!))));
        return list;
    }

    internal static bool IsLive(PrefixNode<uint>? ipv4, PrefixNode<IPv6Key>? ipv6, in OwnedPrefix item)
    {
        uint? sequence = item.IsIPv6
            ? PrefixTrie<IPv6Key, IPv6Bits>.FindExact(ipv6, new IPv6Key(item.High, item.Low), item.Length)?.Sequence
            : PrefixTrie<uint, IPv4Bits>.FindExact(ipv4, (uint)item.Low, item.Length)?.Sequence;
        return sequence == item.Sequence;
    }

    private T? Find(ReadOnlySpan<byte> packet, int ipv4Offset, int ipv6Offset)
    {
        if (packet.Length < 20)
        {
            return null;
        }

        int version = packet[0] >> 4;
        if (version == 4)
        {
            return FindIPv4(BinaryPrimitives.ReadUInt32BigEndian(packet[ipv4Offset..]));
        }

        if (version != 6 || packet.Length < 40)
        {
            return null;
        }

        return FindIPv6(
            BinaryPrimitives.ReadUInt64BigEndian(packet[ipv6Offset..]),
            BinaryPrimitives.ReadUInt64BigEndian(packet[(ipv6Offset + 8)..]));
    }
}
