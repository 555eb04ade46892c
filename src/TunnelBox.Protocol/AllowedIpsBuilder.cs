using System.Net;
using System.Runtime.CompilerServices;

namespace TunnelBox.Protocol;

/// <summary>
/// One edit of an <see cref="AllowedIps{T}"/> with any number of changes, for one thread. Nothing is visible to readers
/// until the owner publishes <see cref="ToImmutable"/>; dropping the builder undoes everything. What the edit itself made it
/// changes in place, so loading many prefixes costs no more than the finished table.
/// </summary>
/// <typeparam name="T">The peer; told apart by reference.</typeparam>
public sealed class AllowedIpsBuilder<T>
    where T : class
{
    private PrefixNode<uint>? _ipv4;
    private PrefixNode<IPv6Key>? _ipv6;
    private OwnerIndex? _owners;
    private int _count;
    private uint _token;
    private uint _sequence;

    internal AllowedIpsBuilder(AllowedIps<T> source)
    {
        _ipv4 = source.IPv4;
        _ipv6 = source.IPv6;
        _owners = source.Owners;
        _count = source.Count;
        _token = source.Token + 1;
        _sequence = source.Sequence;
        if (_token >= LastToken || _sequence >= LastToken)
        {
            Renumber(source);
        }
    }

    /// <summary>Gets the number of prefixes of both families.</summary>
    public int Count => _count;

    /// <summary>Gives a prefix to a peer, taking it from the peer that had it.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="owner">The peer.</param>
    /// <returns>The peer that had it, which may be the same one, or null.</returns>
    public T? Add(IpPrefix prefix, T owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        if (_sequence == uint.MaxValue)
        {
            Renumber(ToImmutable());
        }

        var item = new OwnedPrefix((ulong)(prefix.Address >> 64), (ulong)prefix.Address, ++_sequence, prefix.Length, prefix.IsIPv6);
        object? previous = prefix.IsIPv6
            ? PrefixTrie<IPv6Key, IPv6Bits>.Add(ref _ipv6, new IPv6Key(item.High, item.Low), item.Length, owner, item.Sequence, _token)
            : PrefixTrie<uint, IPv4Bits>.Add(ref _ipv4, (uint)item.Low, item.Length, owner, item.Sequence, _token);
        OwnerEntry entry = OwnerIndex.Own(ref _owners, owner, _token);
        entry.Append(item);
        if (previous is null)
        {
            _count++;
        }

        entry.Live++;
        if (previous is not null)
        {
            Forget(previous);
        }

        return Unsafe.As<T?>(previous);
    }

    /// <summary>Gives a network to a peer, taking it from the peer that had it.</summary>
    /// <param name="network">The network.</param>
    /// <param name="owner">The peer.</param>
    /// <returns>The peer that had it, which may be the same one, or null.</returns>
    public T? Add(IPNetwork network, T owner) => Add(IpPrefix.From(network), owner);

    /// <summary>Takes a prefix from a peer, if it is that peer's.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="owner">The peer.</param>
    /// <returns>Whether the peer had it.</returns>
    public bool Remove(IpPrefix prefix, T owner)
    {
        if (prefix.IsIPv6)
        {
            IPv6Key key = IPv6Key.From(prefix.Address);
            if (!ReferenceEquals(PrefixTrie<IPv6Key, IPv6Bits>.FindExact(_ipv6, key, prefix.Length)?.Owner ?? this, owner))
            {
                return false;
            }

            PrefixTrie<IPv6Key, IPv6Bits>.Remove(ref _ipv6, key, prefix.Length, _token);
        }
        else
        {
            var key = (uint)prefix.Address;
            if (!ReferenceEquals(PrefixTrie<uint, IPv4Bits>.FindExact(_ipv4, key, prefix.Length)?.Owner ?? this, owner))
            {
                return false;
            }

            PrefixTrie<uint, IPv4Bits>.Remove(ref _ipv4, key, prefix.Length, _token);
        }

        _count--;
        Forget(owner);
        return true;
    }

    /// <summary>Takes a network from a peer, if it is that peer's.</summary>
    /// <param name="network">The network.</param>
    /// <param name="owner">The peer.</param>
    /// <returns>Whether the peer had it.</returns>
    public bool Remove(IPNetwork network, T owner) => Remove(IpPrefix.From(network), owner);

    /// <summary>Takes all prefixes from a peer; costs as much as the peer has prefixes.</summary>
    /// <param name="owner">The peer.</param>
    /// <returns>How many it had.</returns>
    public int RemoveOwner(T owner)
    {
        if (OwnerIndex.Find(_owners, owner) is not { } entry)
        {
            return 0;
        }

        for (int i = 0; i < entry.Used; i++)
        {
            ref readonly OwnedPrefix item = ref entry[i];
            if (!AllowedIps<T>.IsLive(_ipv4, _ipv6, item))
            {
                continue;
            }

            if (item.IsIPv6)
            {
                PrefixTrie<IPv6Key, IPv6Bits>.Remove(ref _ipv6, new IPv6Key(item.High, item.Low), item.Length, _token);
            }
            else
            {
                PrefixTrie<uint, IPv4Bits>.Remove(ref _ipv4, (uint)item.Low, item.Length, _token);
            }
        }

        int removed = entry.Live;
        _count -= removed;
        OwnerIndex.Remove(ref _owners, owner, _token);
        return removed;
    }

    /// <summary>Ends the edit so far. The builder may go on: later changes do not touch the table given out.</summary>
    /// <returns>The table.</returns>
    public AllowedIps<T> ToImmutable()
    {
        var table = new AllowedIps<T>(_ipv4, _ipv6, _owners, _count, _token, _sequence);
        _token++;
        if (_token >= LastToken)
        {
            Renumber(table);
        }

        return table;
    }

    // One prefix of this owner is gone from the trie, or stands in its list a second time.
    private void Forget(object owner)
    {
        OwnerEntry entry = OwnerIndex.Own(ref _owners, owner, _token);
        if (--entry.Live == 0)
        {
            OwnerIndex.Remove(ref _owners, owner, _token);
        }
        else if (entry.Used > (2 * entry.Live) + 16)
        {
            // Paid for by the many removals since the last sweep.
            var swept = new OwnerEntry(owner, _token);
            for (int i = 0; i < entry.Used; i++)
            {
                if (AllowedIps<T>.IsLive(_ipv4, _ipv6, entry[i]))
                {
                    swept.Append(entry[i]);
                }
            }

            entry.TakeItems(swept);
        }
    }

    // Numbers wrap after four thousand million changes; before that the table is made anew and starts from nothing.
    private void Renumber(AllowedIps<T> source)
    {
        _ipv4 = null;
        _ipv6 = null;
        _owners = null;
        _count = 0;
        _token = 1;
        _sequence = 0;
        var owners = new HashSet<T>(ReferenceEqualityComparer.Instance);
        foreach ((_, T owner) in source.ToList())
        {
            if (!owners.Add(owner))
            {
                continue;
            }

            foreach (IpPrefix prefix in source.PrefixesOf(owner))
            {
                Add(prefix, owner);
            }
        }
    }

    private const uint LastToken = uint.MaxValue - 1;
}
