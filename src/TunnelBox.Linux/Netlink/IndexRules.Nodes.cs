namespace TunnelBox.Linux.Netlink;

/// <content>The numbers of rules within their buckets.</content>
public sealed unsafe partial class IndexRules
{
    private const int Nodes = 0xFFF;

    // A bucket's nodes below this one are free. One that has come to its end has its gaps written down.
    private readonly ushort[] _lowest = new ushort[Tables * Buckets];
    private readonly ushort[] _count = new ushort[Tables * Buckets];
    private readonly Dictionary<int, ulong[]> _gaps = [];

    private static uint Bucket(uint index) => ((SecondLevel + ((index >> 8) & (Tables - 1))) << 20) | ((index & 0xFF) << 12);

    private static int Place(uint handle) => (int)((((handle >> 20) - SecondLevel) * Buckets) + ((handle >> 12) & 0xFF));

    // The kernel keeps a bucket sorted by node: the highest free number goes to its head, without a walk. Then gaps are filled.
    private uint NewHandle(uint bucket)
    {
        int place = Place(bucket);
        int node = _lowest[place] - 1;
        if (node > 0)
        {
            _lowest[place] = (ushort)node;
        }
        else
        {
            ulong[] used = Gaps(bucket, place);
            int word = Array.FindIndex(used, each => each != ulong.MaxValue);
            if (word < 0)
            {
                return 0;
            }

            node = (word * 64) + System.Numerics.BitOperations.TrailingZeroCount(~used[word]);
            used[word] |= 1UL << (node % 64);
        }

        _count[place]++;
        return bucket | (uint)node;
    }

    private ulong[] Gaps(uint bucket, int place)
    {
        if (_gaps.TryGetValue(place, out ulong[]? used))
        {
            return used;
        }

        // The number 0 is the bucket itself.
        used = new ulong[(Nodes + 1) / 64];
        used[0] = 1;
        foreach (uint handle in _handles.Values)
        {
            if ((handle & ~(uint)Nodes) == bucket)
            {
                used[(handle & Nodes) / 64] |= 1UL << (int)((handle & Nodes) % 64);
            }
        }

        _gaps.Add(place, used);
        return used;
    }

    private void Release(uint handle)
    {
        int place = Place(handle);
        int node = (int)(handle & Nodes);
        if (--_count[place] == 0)
        {
            _lowest[place] = Nodes + 1;
            _gaps.Remove(place);
        }
        else if (_gaps.TryGetValue(place, out ulong[]? used))
        {
            used[node / 64] &= ~(1UL << (node % 64));
        }
        else if (node == _lowest[place])
        {
            _lowest[place]++;
        }
    }

    private void Forget()
    {
        _handles.Clear();
        _gaps.Clear();
        Array.Clear(_count);
        Array.Fill(_lowest, (ushort)(Nodes + 1));
    }
}
