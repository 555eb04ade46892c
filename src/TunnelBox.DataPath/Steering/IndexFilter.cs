using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// The map <c>filter</c> of native/xdp/nobodys.h, in the kernel's own memory: a bit is set where a receiver index that ends in the bit's number may be in use. So the program
/// drops a flood of forged indices without a look into the map of sessions. A bit too many costs that look; one too few would cost packets.
/// </summary>
public sealed unsafe class IndexFilter : IDisposable
{
    private const int Words = 8192;
    private const int Bytes = Words * sizeof(ulong);

    // As many indices gone leave at most so many of the 524,288 bits set for nothing: 1.6 %. Where more are in use, as many may be gone, too: so the
    // look at all of them costs each removal one entry at most.
    private const int Stale = 8192;

    private readonly ulong[] _fresh = new ulong[Words];
    private ulong* _words;
    private int _removed;
    private int _most = Stale;

    /// <summary>Maps the filter.</summary>
    /// <param name="map">The map's descriptor, owned by the caller.</param>
    public IndexFilter(int map)
    {
        nint at = LibC.mmap(null, Bytes, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_SHARED, map, 0);
        _words = at is > -4096 and < 0 ? null : (ulong*)at;
    }

    /// <summary>Gets a value indicating whether it could be had; else the program must not rely on it.</summary>
    public bool IsThere => _words is not null;

    /// <summary>Gets what is held from a change of the filter until the map of sessions has it, too, and while <see cref="Removed"/> looks into that.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Says that an index is about to be in use; <see cref="Gate"/> is held.</summary>
    /// <param name="index">The receiver index.</param>
    public void Add(uint index)
    {
        if (_words is not null)
        {
            ref ulong word = ref _words[(index >> 6) % Words];
            Volatile.Write(ref word, word | (1ul << (int)(index & 63)));
        }
    }

    /// <summary>Tells whether an index may be in use.</summary>
    /// <param name="index">The receiver index.</param>
    /// <returns>Whether.</returns>
    internal bool Has(uint index) => _words is null || (Volatile.Read(ref _words[(index >> 6) % Words]) >> (int)(index & 63) & 1) != 0;

    /// <summary>Says that indices are no longer in use. Now and then all that are give the bits anew; <see cref="Gate"/> is held.</summary>
    /// <param name="count">How many.</param>
    /// <param name="indices">Gives those in use, of every tunnel; false where that was not to be had, which changes nothing.</param>
    public void Removed(int count, Func<Action<uint>, bool> indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        _removed += count;
        if (_removed < _most || _words is null)
        {
            return;
        }

        _removed = 0;
        Array.Clear(_fresh);
        int inUse = 0;
        bool known = indices(index =>
        {
            _fresh[(index >> 6) % Words] |= 1ul << (int)(index & 63);
            inUse++;
        });
        if (known)
        {
            _most = Math.Max(Stale, inUse);

            // Word by word: at each moment there are the old bits or the new ones, both of which hold every index in use.
            for (int i = 0; i < Words; i++)
            {
                Volatile.Write(ref _words[i], _fresh[i]);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (Gate)
        {
            if (_words is not null)
            {
                _ = LibC.munmap(_words, Bytes);
                _words = null;
            }
        }
    }
}
