using System.Runtime.CompilerServices;

namespace TunnelBox.Protocol;

/// <summary>One prefix, or one place where prefixes part, in a <see cref="PrefixTrie{TKey,TBits}"/>.</summary>
/// <typeparam name="TKey">The family's address.</typeparam>
internal sealed class PrefixNode<TKey>
    where TKey : struct
{
    /// <summary>The two subtries, by the bit that follows the prefix.</summary>
    public Pair Children;

    /// <summary>Who owns the prefix; null where prefixes only part.</summary>
    public object? Owner;

    /// <summary>The edit that made this node; only that edit may still change it.</summary>
    public uint Token;

    /// <summary>Which addition put the owner here; unique in a table and its descendants.</summary>
    public uint Sequence;

    /// <summary>The prefix, host bits cleared.</summary>
    public TKey Key;

    /// <summary>Bits in the prefix.</summary>
    public byte Length;

    /// <summary>Two references that are indexed without a branch.</summary>
    [InlineArray(2)]
    public struct Pair
    {
        private PrefixNode<TKey>? _first;
    }
}

/// <summary>
/// A binary trie without one-way branches (Patricia) over prefixes, changed by copying the path from the root: readers of
/// an older root see no change. Nodes that the running edit itself made are changed in place, so a bulk load makes no garbage.
/// </summary>
/// <typeparam name="TKey">The family's address.</typeparam>
/// <typeparam name="TBits">How to read its bits.</typeparam>
internal static class PrefixTrie<TKey, TBits>
    where TKey : struct
    where TBits : struct, IAddressBits<TKey>
{
    /// <summary>Finds the owner of the longest prefix that covers an address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static object? Find(PrefixNode<TKey>? node, TKey key)
    {
        object? best = null;
        while (node is not null && TBits.Common(key, node.Key) >= node.Length)
        {
            best = node.Owner ?? best;
            node = node.Children[TBits.Bit(key, node.Length)];
        }

        return best;
    }

    /// <summary>Finds exactly one prefix.</summary>
    public static PrefixNode<TKey>? FindExact(PrefixNode<TKey>? node, TKey key, int length)
    {
        while (node is not null && node.Length < length && TBits.Common(key, node.Key) >= node.Length)
        {
            node = node.Children[TBits.Bit(key, node.Length)];
        }

        return node is { Owner: not null } && node.Length == length && TBits.Common(key, node.Key) >= length ? node : null;
    }

    /// <summary>Gives a prefix to an owner.</summary>
    /// <returns>Who owned the prefix before, or null.</returns>
    public static object? Add(ref PrefixNode<TKey>? root, TKey key, int length, object owner, uint sequence, uint token)
    {
        ref PrefixNode<TKey>? slot = ref root;
        while (true)
        {
            if (slot is null)
            {
                slot = New(key, length, owner, sequence, token);
                return null;
            }

            int common = Math.Min(TBits.Common(key, slot.Key), Math.Min(length, slot.Length));
            if (common < slot.Length)
            {
                PrefixNode<TKey> below = slot;
                PrefixNode<TKey> added = New(key, length, owner, sequence, token);
                PrefixNode<TKey> above = added;
                if (common < length)
                {
                    above = New(TBits.Mask(key, common), common, null, 0, token);
                    above.Children[TBits.Bit(key, common)] = added;
                }

                above.Children[TBits.Bit(below.Key, common)] = below;
                slot = above;
                return null;
            }

            PrefixNode<TKey> node = Own(ref slot, token);
            if (common == length)
            {
                object? previous = node.Owner;
                node.Owner = owner;
                node.Sequence = sequence;
                return previous;
            }

            slot = ref node.Children[TBits.Bit(key, common)];
        }
    }

    /// <summary>Takes a prefix out; it must be there (<see cref="FindExact"/>).</summary>
    public static void Remove(ref PrefixNode<TKey>? root, TKey key, int length, uint token)
    {
        ref PrefixNode<TKey>? parent = ref root;
        ref PrefixNode<TKey>? slot = ref root;
        bool hasParent = false;
        PrefixNode<TKey> node = Own(ref slot, token);
        while (node.Length < length)
        {
            parent = ref slot;
            hasParent = true;
            slot = ref node.Children[TBits.Bit(key, node.Length)];
            node = Own(ref slot, token);
        }

        node.Owner = null;
        if (node.Children[0] is not null && node.Children[1] is not null)
        {
            return;
        }

        slot = node.Children[0] ?? node.Children[1];

        // A place where prefixes parted and now only one goes on is no place any more.
        if (slot is null && hasParent && parent!.Owner is null)
        {
            parent = parent.Children[0] ?? parent.Children[1];
        }
    }

    /// <summary>Calls back for every prefix: shorter ones before those inside them, and by rising address.</summary>
    public static void Visit(PrefixNode<TKey>? root, Action<PrefixNode<TKey>> visit)
    {
        var waiting = new Stack<PrefixNode<TKey>>();
        for (PrefixNode<TKey>? node = root; node is not null || waiting.TryPop(out node);)
        {
            if (node.Owner is not null)
            {
                visit(node);
            }

            if (node.Children[1] is { } later)
            {
                waiting.Push(later);
            }

            node = node.Children[0];
        }
    }

    private static PrefixNode<TKey> New(TKey key, int length, object? owner, uint sequence, uint token) => new()
    {
        Key = key,
        Length = (byte)length,
        Owner = owner,
        Sequence = sequence,
        Token = token,
    };

    private static PrefixNode<TKey> Own(ref PrefixNode<TKey>? slot, uint token)
    {
        PrefixNode<TKey> node = slot!;
        if (node.Token == token)
        {
            return node;
        }

        slot = New(node.Key, node.Length, node.Owner, node.Sequence, token);
        slot.Children = node.Children;
        return slot;
    }
}
