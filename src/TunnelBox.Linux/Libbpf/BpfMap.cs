using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Libbpf;

/// <summary>The entries of a map that a <see cref="BpfObject"/> owns. Keys and values are laid out as in C.</summary>
public static unsafe class BpfMap
{
    /// <summary>Gets how many values an entry of a per-processor map has: one for each processor that the machine could have.</summary>
    public static int Processors { get; } = Math.Max(LibBpf.libbpf_num_possible_cpus(), 1);

    /// <summary>Sets an entry of a map.</summary>
    /// <typeparam name="TKey">The key, laid out as in C.</typeparam>
    /// <typeparam name="TValue">The value, laid out as in C.</typeparam>
    /// <param name="map">The map's descriptor.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <returns>0, or −errno: E2BIG when the map is full.</returns>
    public static int Set<TKey, TValue>(int map, TKey key, TValue value)
        where TKey : unmanaged
        where TValue : unmanaged => LibBpf.bpf_map_update_elem(map, &key, &value, 0);

    /// <summary>Removes an entry of a map.</summary>
    /// <typeparam name="TKey">The key, laid out as in C.</typeparam>
    /// <param name="map">The map's descriptor.</param>
    /// <param name="key">The key.</param>
    /// <returns>0, or −errno: ENOENT when there is none.</returns>
    public static int Remove<TKey>(int map, TKey key)
        where TKey : unmanaged => LibBpf.bpf_map_delete_elem(map, &key);

    /// <summary>Reads an entry of a map.</summary>
    /// <typeparam name="TKey">The key.</typeparam>
    /// <typeparam name="TValue">The value.</typeparam>
    /// <param name="map">The map's descriptor; not that of a per-processor map.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value, where it was found.</param>
    /// <returns>0, or −errno: ENOENT when there is none.</returns>
    public static int Read<TKey, TValue>(int map, TKey key, out TValue value)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        TValue found = default;
        int error = LibBpf.bpf_map_lookup_elem(map, &key, &found);
        value = found;
        return error;
    }

    /// <summary>Reads an entry of a per-processor map.</summary>
    /// <typeparam name="TValue">The value, a multiple of 8 bytes.</typeparam>
    /// <param name="map">The map's descriptor.</param>
    /// <param name="key">The key.</param>
    /// <param name="values">Where to: <see cref="Processors"/> of them.</param>
    /// <returns>0, or −errno.</returns>
    public static int ReadEach<TValue>(int map, uint key, Span<TValue> values)
        where TValue : unmanaged
    {
        if (values.Length < Processors || sizeof(TValue) % sizeof(ulong) != 0)
        {
            throw new ArgumentException("One value a processor, each a multiple of 8 bytes.", nameof(values));
        }

        fixed (TValue* to = values)
        {
            return LibBpf.bpf_map_lookup_elem(map, &key, to);
        }
    }

    /// <summary>Sets many entries in one call.</summary>
    /// <typeparam name="TKey">The key.</typeparam>
    /// <typeparam name="TValue">The value.</typeparam>
    /// <param name="map">The map's descriptor.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="values">As many values.</param>
    /// <param name="done">How many were set, from the first on.</param>
    /// <returns>0, or −errno of the one that failed: E2BIG when the map is full.</returns>
    public static int SetMany<TKey, TValue>(int map, ReadOnlySpan<TKey> keys, ReadOnlySpan<TValue> values, out int done)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        if (values.Length != keys.Length)
        {
            throw new ArgumentException("As many values as keys.", nameof(values));
        }

        uint count = (uint)keys.Length;
        done = 0;
        if (count == 0)
        {
            return 0;
        }

        int error;
        fixed (TKey* from = keys)
        {
            fixed (TValue* to = values)
            {
                error = LibBpf.bpf_map_update_batch(map, from, to, &count, null);
            }
        }

        done = (int)count;
        return error;
    }

    /// <summary>Removes many entries in one call, up to the first that is not there.</summary>
    /// <typeparam name="TKey">The key.</typeparam>
    /// <param name="map">The map's descriptor.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="done">How many were removed, from the first on.</param>
    /// <returns>0, or −errno of the one that failed: ENOENT when there is none.</returns>
    public static int RemoveMany<TKey>(int map, ReadOnlySpan<TKey> keys, out int done)
        where TKey : unmanaged
    {
        uint count = (uint)keys.Length;
        done = 0;
        if (count == 0)
        {
            return 0;
        }

        int error;
        fixed (TKey* from = keys)
        {
            error = LibBpf.bpf_map_delete_batch(map, from, &count, null);
        }

        done = (int)count;
        return error;
    }

    /// <summary>Reads every entry of a hash map, many a call; what changes meanwhile may be missing.</summary>
    /// <typeparam name="TKey">The key.</typeparam>
    /// <typeparam name="TValue">The value.</typeparam>
    /// <param name="map">The map's descriptor.</param>
    /// <param name="batch">Entries a call; more than the fullest bucket of the map has, which only an adversary fills.</param>
    /// <param name="each">Given each entry.</param>
    /// <returns>0, or −errno: ENOSPC when a bucket has more entries than a batch.</returns>
    public static int Each<TKey, TValue>(int map, int batch, Action<TKey, TValue> each)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        ArgumentNullException.ThrowIfNull(each);
        var keys = new TKey[batch];
        var values = new TValue[batch];

        // A place in the map, as the kernel tells it; for hash maps a bucket's number.
        ulong from = 0;
        ulong to = 0;
        for (bool first = true; ; first = false)
        {
            uint count = (uint)batch;
            int error;
            fixed (TKey* key = keys)
            {
                fixed (TValue* value = values)
                {
                    error = LibBpf.bpf_map_lookup_batch(map, first ? null : &from, &to, key, value, &count, null);
                }
            }

            if (error is not (0 or -Definitions.ENOENT))
            {
                return error;
            }

            for (int i = 0; i < (int)count; i++)
            {
                each(keys[i], values[i]);
            }

            if (error != 0)
            {
                return 0;
            }

            from = to;
        }
    }
}
