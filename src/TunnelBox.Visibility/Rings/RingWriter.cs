using System.Diagnostics;

namespace TunnelBox.Visibility.Rings;

/// <summary>
/// Writes one trace ring: old records are overwritten, and nobody is ever waited for. For one thread at a time. A burst's records are
/// <see cref="Begin"/> and <see cref="End"/> each, and <see cref="Publish"/> once.
/// </summary>
public sealed unsafe class RingWriter : IDisposable
{
    private readonly RingMemory _memory;
    private readonly byte* _records;
    private readonly ulong _mask;
    private readonly nuint _recordSize;
    private ulong _next;
    private RingRecord* _open;

    /// <summary>Makes a ring.</summary>
    /// <param name="filter">What its reader wants.</param>
    /// <param name="innerSnap">Most captured bytes of an inner packet.</param>
    /// <param name="outerSnap">Most captured bytes of an outer packet.</param>
    /// <param name="worker">The number of the thread that will write.</param>
    /// <param name="budget">Bytes that it may take.</param>
    /// <exception cref="RingException">The kernel gives no memory.</exception>
    public RingWriter(RingFilter filter, int innerSnap, int outerSnap, int worker, int budget = RingMemory.Budget)
    {
        Filter = filter;
        InnerSnap = innerSnap;
        OuterSnap = outerSnap;
        _memory = RingMemory.Create(innerSnap, outerSnap, worker, UnixOffset(), budget);
        _records = _memory.Address + RingHeader.Size;
        _mask = _memory.Header->Capacity - 1;
        _recordSize = _memory.Header->RecordSize;
    }

    /// <summary>Gets what the reader wants.</summary>
    public RingFilter Filter { get; }

    /// <summary>Gets the most captured bytes of an inner packet.</summary>
    public int InnerSnap { get; }

    /// <summary>Gets the most captured bytes of an outer packet.</summary>
    public int OuterSnap { get; }

    /// <summary>Gets the descriptor to hand to the reader.</summary>
    public int Descriptor => _memory.Descriptor;

    /// <summary>Gets the records that fit.</summary>
    public int Capacity => (int)_mask + 1;

    /// <summary>Begins the next record; the oldest is gone from here on.</summary>
    /// <returns>Its head, to be filled but for the sequence; captured bytes are added by <see cref="AddInner"/> and <see cref="AddOuter"/>.</returns>
    public RingRecord* Begin()
    {
        var record = (RingRecord*)(_records + ((nuint)(_next & _mask) * _recordSize));
        record->Sequence = 0;

        // A reader that sees a new byte must not see the old sequence any more.
        Volatile.WriteBarrier();
        *record = default;
        _open = record;
        return record;
    }

    /// <summary>Adds what was captured of the inner packet to the open record.</summary>
    /// <param name="data">Its bytes.</param>
    /// <param name="length">How many are there.</param>
    public void AddInner(byte* data, int length)
    {
        int captured = Math.Min(length, InnerSnap);
        Buffer.MemoryCopy(data, (byte*)_open + RingRecord.Size, InnerSnap, captured);
        _open->InnerCaptured = (ushort)captured;
    }

    /// <summary>Adds what was captured of the UDP payload to the open record.</summary>
    /// <param name="data">Its bytes.</param>
    /// <param name="length">How many are there.</param>
    public void AddOuter(byte* data, int length)
    {
        int captured = Math.Min(length, OuterSnap);
        Buffer.MemoryCopy(data, (byte*)_open + RingRecord.Size + InnerSnap, OuterSnap, captured);
        _open->OuterCaptured = (ushort)captured;
    }

    /// <summary>Ends the open record.</summary>
    public void End() => Volatile.Write(ref _open->Sequence, ++_next);

    /// <summary>Tells the reader of everything ended so far.</summary>
    public void Publish() => Volatile.Write(ref _memory.Header->Head, _next);

    /// <summary>Counts records that could not be written, because another thread was writing.</summary>
    /// <param name="records">How many.</param>
    public void Skip(int records) => Volatile.Write(ref _memory.Header->Skipped, _memory.Header->Skipped + records);

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    // Stopwatch is CLOCK_MONOTONIC in nanoseconds on Linux.
    private static long UnixOffset() => ((DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) * 100) - Stopwatch.GetTimestamp();
}
