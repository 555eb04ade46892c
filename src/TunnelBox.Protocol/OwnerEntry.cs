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

/// <summary>
/// The prefixes of one owner. Items are only ever appended; removed ones stay as stale items until it pays to sweep them. So
/// a copy of an entry shares its items, and a change costs the same for an owner of one prefix or of a million.
/// </summary>
internal sealed class OwnerEntry(object owner, uint token)
{
    /// <summary>The owner.</summary>
    public readonly object Owner = owner;

    /// <summary>The edit that made this entry; only that edit may still change it.</summary>
    public readonly uint Token = token;

    /// <summary>Another owner with the same hash code.</summary>
    public OwnerEntry? Next;

    /// <summary>Items not stale.</summary>
    public int Live;

    // Most owners have one prefix: it needs no list.
    private OwnedPrefix _first;
    private SharedItems? _rest;

    /// <summary>Gets the items, stale ones among them.</summary>
    public int Used { get; private set; }

    /// <summary>Gets an item by its place.</summary>
    public ref readonly OwnedPrefix this[int place] => ref place == 0 ? ref _first : ref _rest!.Items[place - 1];

    /// <summary>Appends a prefix.</summary>
    public void Append(in OwnedPrefix prefix)
    {
        if (Used == 0)
        {
            _first = prefix;
        }
        else
        {
            _rest = SharedItems.Append(_rest, Used - 1, prefix);
        }

        Used++;
    }

    /// <summary>Copies the entry for another edit.</summary>
    public OwnerEntry Copy(uint token) => new(Owner, token) { Live = Live, Used = Used, _first = _first, _rest = _rest };

    /// <summary>Replaces the items by another entry's.</summary>
    public void TakeItems(OwnerEntry other)
    {
        _first = other._first;
        _rest = other._rest;
        Used = other.Used;
    }

    /// <summary>Items that several copies of an entry share: each sees as many as it knows of.</summary>
    private sealed class SharedItems(OwnedPrefix[] items, int claimed)
    {
        public readonly OwnedPrefix[] Items = items;

        // Room up to here belongs to some copy. Edits of one table on two threads may both want what follows.
        private int _claimed = claimed;

        public static SharedItems Append(SharedItems? shared, int used, in OwnedPrefix prefix)
        {
            if (shared is null || used == shared.Items.Length || Interlocked.CompareExchange(ref shared._claimed, used + 1, used) != used)
            {
                var items = new OwnedPrefix[Math.Max(3, used * 2)];
                shared?.Items.AsSpan(0, used).CopyTo(items);
                shared = new SharedItems(items, used + 1);
            }

            shared.Items[used] = prefix;
            return shared;
        }
    }
}
