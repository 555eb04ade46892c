using System.Numerics;
using System.Runtime.CompilerServices;

namespace TunnelBox.Protocol;

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

        OwnerEntry entry = present?.Copy(token) ?? new OwnerEntry(owner, token);
        if (present is not null)
        {
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
        OwnerEntry copy = entry.Token == token ? entry : entry.Copy(token);
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
