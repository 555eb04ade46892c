using System.Runtime.InteropServices;

namespace TunnelBox.DataPath;

/// <summary>
/// The blocks that one worker has received and not yet delivered: a bounded ring that the owner fills at one end and empties at the other,
/// and of which anybody, the owner included, takes the oldest untaken block to open it. So blocks are delivered in the order in which they
/// arrived, whoever opened them; and the owner waits only for a block that somebody is opening at this moment, never for one that
/// nobody has begun.
/// </summary>
/// <remarks>Taking costs one compare-exchange a block of 64 packets. A ring for each pair of workers would have the owner guess who has time.</remarks>
internal sealed class OpeningRing
{
    /// <summary>Most blocks in the ring.</summary>
    public const int Capacity = 32;

    private readonly OpeningBlock[] _blocks = new OpeningBlock[Capacity];
    private Cursors _cursors;

    /// <summary>Makes an empty ring.</summary>
    public OpeningRing()
    {
        for (int i = 0; i < Capacity; i++)
        {
            _blocks[i] = new OpeningBlock();
        }
    }

    /// <summary>Gets how many blocks are in the ring; for its owner.</summary>
    public int Count => (int)(_cursors.Tail - _cursors.Head);

    /// <summary>Gets how many blocks nobody has taken yet; from any thread.</summary>
    public int Untaken => (int)(Volatile.Read(ref _cursors.Tail) - Volatile.Read(ref _cursors.Taken));

    /// <summary>Gets the block to fill next; for the owner, while <see cref="Count"/> is below <see cref="Capacity"/>.</summary>
    public OpeningBlock Next => _blocks[_cursors.Tail & (Capacity - 1)];

    /// <summary>Gets the oldest block; for the owner, while <see cref="Count"/> is not 0.</summary>
    public OpeningBlock Oldest => _blocks[_cursors.Head & (Capacity - 1)];

    /// <summary>Offers <see cref="Next"/> to whoever has time.</summary>
    public void Offer() => Volatile.Write(ref _cursors.Tail, _cursors.Tail + 1);

    /// <summary>Takes the oldest block that nobody has taken; from any thread.</summary>
    /// <returns>The block, which is then to be opened and finished at once; null where there is none.</returns>
    public OpeningBlock? Take()
    {
        while (true)
        {
            long oldest = Volatile.Read(ref _cursors.Taken);
            if (oldest >= Volatile.Read(ref _cursors.Tail))
            {
                return null;
            }

            if (Interlocked.CompareExchange(ref _cursors.Taken, oldest + 1, oldest) == oldest)
            {
                return _blocks[oldest & (Capacity - 1)];
            }
        }
    }

    /// <summary>Empties <see cref="Oldest"/>, which was delivered.</summary>
    public void Release()
    {
        Oldest.Clear();
        _cursors.Head++;
    }

    // Each on a pair of cache lines of its own: they are written by different processors.
    [StructLayout(LayoutKind.Explicit, Size = 512)]
    private struct Cursors
    {
        [FieldOffset(128)]
        public long Head;

        [FieldOffset(256)]
        public long Tail;

        [FieldOffset(384)]
        public long Taken;
    }
}
