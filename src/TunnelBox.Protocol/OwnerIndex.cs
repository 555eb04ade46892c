using System.Numerics;
using System.Runtime.CompilerServices;

namespace TunnelBox.Protocol;

/// <summary>A prefix in its owner's list, in the order in which wg(8) shows them.</summary>
/// <param name="High">IPv6: the address's first half; IPv4: 0.</param>
/// <param name="Low">IPv6: the second half; IPv4: the address.</param>
/// <param name="Sequence">Which addition this was: the entry is stale once the trie says another.</param>
/// <param name="Length">Bits in the prefix.</param>
/// <param name="IsIPv6">The family.</param>
internal readonly record struct OwnedPrefix(ulong High, ulong Low, uint Sequence, byte Length, bool IsIPv6)
{
    public IpPrefix ToIpPrefix() => new(new UInt128(High, Low), Length, IsIPv6);
}

/// <summary>The prefixes of one owner. Removed ones stay in the list as stale entries until it pays to sweep them.</summary>
internal sealed class OwnerEntry(object owner, uint token)
{
    /// <summary>The owner.</summary>
    public readonly object Owner = owner;

    /// <summary>The edit that made this entry; only that edit may still change it.</summary>
    public readonly uint Token = token;

    /// <summary>Another owner with the same hash code.</summary>
    public OwnerEntry? Next;

    /// <summary>Entries not stale.</summary>
    public int Live;

    /// <summary>Entries in use, stale ones among them.</summary>
    public int Used;

    /// <summary>The list; its tail beyond <see cref="Used"/> is room.</summary>
    public OwnedPrefix[] Items = [];

    /// <summary>Appends a prefix.</summary>
    public void Append(in OwnedPrefix prefix)
    {
        if (Used == Items.Length)
        {
            Array.Resize(ref Items, Used == 0 ? 1 : Math.Max(4, Used * 2));
        }

        Items[Used++] = prefix;
    }
}

/// <summary>
/// A persistent map from owner to its prefixes: a hash trie of 32-way nodes without empty slots, keyed by the owner's
/// identity, path-copied in the way of <see cref="PrefixTrie{TKey,TBits}"/>.
/// </summary>
internal sealed class OwnerIndex
{
    private const int BitsPerLevel = 5;

    // Hash bits run out after this shift; owners that still agree are chained.
    private const int LastShift = 25;

    private readonly uint _token;
    private uint _present;
    private object[] _slots = [];

    private OwnerIndex(uint token) => _token = token;

    /// <summary>Finds an owner's entry.</summary>
    public static OwnerEntry? Find(OwnerIndex? node, object owner)
    {
        uint hash = Hash(owner);
        for (int shift = 0; node is not null; shift += BitsPerLevel)
        {
            if (!node.TryLocate(hash, shift, out int place))
            {
                return null;
            }

            if (node._slots[place] is OwnerEntry entry)
            {
                return FindInChain(entry, owner);
            }

            node = (OwnerIndex)node._slots[place];
        }

        return null;
    }

    /// <summary>Gives an owner's entry to the running edit, making it if it is not there.</summary>
    /// <returns>An entry that this edit may change.</returns>
    public static OwnerEntry Own(ref OwnerIndex? root, object owner, uint token)
    {
        OwnerEntry? present = Find(root, owner);
        if (present is not null && present.Token == token)
        {
            return present;
        }

        var entry = new OwnerEntry(owner, token);
        if (present is not null)
        {
            entry.Live = present.Live;
            entry.Used = present.Used;
            entry.Items = (OwnedPrefix[])present.Items.Clone();
            Remove(ref root, owner, token);
        }

        root = Insert(root, entry, Hash(owner), 0, token);
        return entry;
    }

    /// <summary>Takes an owner out; nothing happens if it is not there.</summary>
    public static void Remove(ref OwnerIndex? root, object owner, uint token)
    {
        if (Find(root, owner) is not null)
        {
            root = Remove(root!, owner, Hash(owner), 0, token);
        }
    }

    private static uint Hash(object owner) => (uint)RuntimeHelpers.GetHashCode(owner);

    private static OwnerEntry? FindInChain(OwnerEntry? entry, object owner)
    {
        while (entry is not null && !ReferenceEquals(entry.Owner, owner))
        {
            entry = entry.Next;
        }

        return entry;
    }

    private static OwnerIndex Insert(OwnerIndex? node, OwnerEntry entry, uint hash, int shift, uint token)
    {
        node = Own(node, token);
        if (!node.TryLocate(hash, shift, out int place))
        {
            var slots = new object[node._slots.Length + 1];
            Array.Copy(node._slots, slots, place);
            slots[place] = entry;
            Array.Copy(node._slots, place, slots, place + 1, node._slots.Length - place);
            node._slots = slots;
            node._present |= 1u << Digit(hash, shift);
        }
        else if (node._slots[place] is not OwnerEntry other)
        {
            node._slots[place] = Insert((OwnerIndex)node._slots[place], entry, hash, shift + BitsPerLevel, token);
        }
        else if (shift == LastShift || Hash(other.Owner) == hash)
        {
            entry.Next = other;
            node._slots[place] = entry;
        }
        else
        {
            // A whole chain moves down at once: its owners share every bit.
            OwnerIndex below = Insert(null, other, Hash(other.Owner), shift + BitsPerLevel, token);
            node._slots[place] = Insert(below, entry, hash, shift + BitsPerLevel, token);
        }

        return node;
    }

    private static OwnerIndex? Remove(OwnerIndex node, object owner, uint hash, int shift, uint token)
    {
        node = Own(node, token);
        node.TryLocate(hash, shift, out int place);
        object? rest = node._slots[place] is OwnerEntry entry
            ? WithoutChained(entry, owner, token)
            : Remove((OwnerIndex)node._slots[place], owner, hash, shift + BitsPerLevel, token);
        if (rest is not null)
        {
            node._slots[place] = rest;
            return node;
        }

        if (node._slots.Length == 1)
        {
            return null;
        }

        var slots = new object[node._slots.Length - 1];
        Array.Copy(node._slots, slots, place);
        Array.Copy(node._slots, place + 1, slots, place, slots.Length - place);
        node._slots = slots;
        node._present &= ~(1u << Digit(hash, shift));
        return node;
    }

    private static OwnerEntry? WithoutChained(OwnerEntry entry, object owner, uint token)
    {
        if (ReferenceEquals(entry.Owner, owner))
        {
            return entry.Next;
        }

        OwnerEntry? rest = WithoutChained(entry.Next!, owner, token);
        OwnerEntry copy = entry;
        if (entry.Token != token)
        {
            copy = new OwnerEntry(entry.Owner, token) { Live = entry.Live, Used = entry.Used, Items = (OwnedPrefix[])entry.Items.Clone() };
        }

        copy.Next = rest;
        return copy;
    }

    private static OwnerIndex Own(OwnerIndex? node, uint token)
    {
        if (node is not null && node._token == token)
        {
            return node;
        }

        var copy = new OwnerIndex(token);
        if (node is not null)
        {
            copy._present = node._present;
            copy._slots = (object[])node._slots.Clone();
        }

        return copy;
    }

    private static int Digit(uint hash, int shift) => (int)(hash >> shift) & 31;

    private bool TryLocate(uint hash, int shift, out int place)
    {
        uint bit = 1u << Digit(hash, shift);
        place = BitOperations.PopCount(_present & (bit - 1));
        return (_present & bit) != 0;
    }
}
