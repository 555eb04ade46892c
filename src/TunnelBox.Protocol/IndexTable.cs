using System.Numerics;

namespace TunnelBox.Protocol;

/// <summary>
/// Finds sessions and handshakes by the 32-bit receiver index that we gave them (WireGuard paper, section 5.4). One writer
/// at a time, any number of readers that take no lock, never wait and allocate nothing. Indices are drawn at random by
/// the caller; 0 is never used.
/// </summary>
/// <remarks>
/// Open addressing in one array. A slot that holds an index and no value is a removed entry. Only the writer replaces
/// the array, when it is too full; readers of the old one see the table as it was when they began.
/// </remarks>
/// <typeparam name="T">What an index stands for.</typeparam>
public sealed class IndexTable<T>
    where T : class
{
    private const int MinimumCapacity = 16;

    private Slot[] _slots;
    private int _count;
    private int _used;

    /// <summary>Makes an empty table.</summary>
    /// <param name="expected">How many entries it should take without growing.</param>
    public IndexTable(int expected = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(expected);
        _slots = new Slot[CapacityFor(expected)];
    }

    /// <summary>Gets who keeps a copy, or null; for the writer.</summary>
    public IIndexObserver<T>? Observer { get; private set; }

    /// <summary>Gets the number of entries; for the writer.</summary>
    public int Count => _count;

    /// <summary>Finds what an index stands for; from any thread.</summary>
    /// <param name="index">The index, in host order, as a stranger may have sent it.</param>
    /// <returns>The value, or null.</returns>
    public T? Find(uint index)
    {
        Slot[] slots = Volatile.Read(ref _slots);
        int place = (int)index;
        while (true)
        {
            ref Slot slot = ref slots[place & (slots.Length - 1)];
            uint present = Volatile.Read(ref slot.Index);
            if (present == index)
            {
                T? value = Volatile.Read(ref slot.Value);

                // The writer may have given the slot to another index between the two reads; then ours is gone.
                return index != 0 && Volatile.Read(ref slot.Index) == index ? value : null;
            }

            if (present == 0)
            {
                return null;
            }

            place++;
        }
    }

    /// <summary>Gives an index a meaning; for the writer.</summary>
    /// <param name="index">A random index; draw another one when the answer is false.</param>
    /// <param name="value">What it stands for.</param>
    /// <returns>False for 0 and for an index in use, with nothing changed.</returns>
    public bool TryAdd(uint index, T value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (index == 0 || Find(index) is not null)
        {
            return false;
        }

        // A quarter stays free, so that every search ends.
        if (4L * (_used + 1) > 3L * _slots.Length)
        {
            Rebuild(_count + 1);
        }

        int mask = _slots.Length - 1;
        int place = (int)index;
        while (_slots[place & mask] is { Index: not 0, Value: not null })
        {
            place++;
        }

        ref Slot slot = ref _slots[place & mask];
        if (slot.Index == 0)
        {
            _used++;
        }

        // The index first, then the value: a reader that sees the value sees whose it is.
        Volatile.Write(ref slot.Index, index);
        Volatile.Write(ref slot.Value, value);
        _count++;
        Observer?.Added(index, value);
        return true;
    }

    /// <summary>Forgets an index; for the writer. A reader that began before may still find it.</summary>
    /// <param name="index">The index.</param>
    /// <returns>What it stood for, or null.</returns>
    public T? Remove(uint index)
    {
        if (index == 0)
        {
            return null;
        }

        Slot[] slots = _slots;
        for (int place = (int)index; ; place++)
        {
            ref Slot slot = ref slots[place & (slots.Length - 1)];
            if (slot.Index == 0)
            {
                return null;
            }

            if (slot.Index == index)
            {
                T? value = slot.Value;
                if (value is not null)
                {
                    Volatile.Write(ref slot.Value, null);
                    _count--;
                    Observer?.Removed(index);
                }

                return value;
            }
        }
    }

    /// <summary>Has somebody keep a copy: it is told of every entry, then of every change; for the writer.</summary>
    /// <param name="observer">Who, or null for nobody.</param>
    public void Observe(IIndexObserver<T>? observer)
    {
        Observer = observer;
        if (observer is null)
        {
            return;
        }

        foreach (ref readonly Slot slot in _slots.AsSpan())
        {
            if (slot.Value is { } value)
            {
                observer.Added(slot.Index, value);
            }
        }

        observer.Flush();
    }

    private static int CapacityFor(int count) =>
        Math.Max(MinimumCapacity, (int)Math.Min(1u << 30, BitOperations.RoundUpToPowerOf2((uint)Math.Min(count, 1 << 29) * 2)));

    private void Rebuild(int expected)
    {
        var slots = new Slot[CapacityFor(expected)];
        int mask = slots.Length - 1;
        foreach (ref readonly Slot old in _slots.AsSpan())
        {
            if (old.Value is null)
            {
                continue;
            }

            int place = (int)old.Index;
            while (slots[place & mask].Index != 0)
            {
                place++;
            }

            slots[place & mask] = old;
        }

        _used = _count;
        Volatile.Write(ref _slots, slots);
    }

    private struct Slot
    {
        public uint Index;
        public T? Value;
    }
}
