using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Visibility.Rings;

/// <summary>One record as a reader has it: a copy that no writer touches, valid until the next is taken.</summary>
/// <param name="head">Its head.</param>
/// <param name="inner">The captured bytes of the inner packet.</param>
/// <param name="outer">The captured bytes of the UDP payload.</param>
/// <param name="time">Unix time in nanoseconds.</param>
public readonly ref struct RingEntry(ref readonly RingRecord head, ReadOnlySpan<byte> inner, ReadOnlySpan<byte> outer, long time)
{
    private readonly ref readonly RingRecord _head = ref head;

    /// <summary>Gets its head, in place.</summary>
    public ref readonly RingRecord Record => ref _head;

    /// <summary>Gets a copy of its head.</summary>
    public RingRecord Head => _head;

    /// <summary>Gets the captured bytes of the inner packet.</summary>
    public ReadOnlySpan<byte> Inner { get; } = inner;

    /// <summary>Gets the captured bytes of the UDP payload.</summary>
    public ReadOnlySpan<byte> Outer { get; } = outer;

    /// <summary>Gets when its burst began: Unix time in nanoseconds.</summary>
    public long Time { get; } = time;
}

/// <summary>
/// Reads a trace ring that another process writes. Nothing in it is believed: sizes are checked against the memory that is there, and a
/// record that was overwritten while it was copied is lost, and counted.
/// </summary>
public sealed unsafe class RingReader : IDisposable
{
    private readonly RingMemory _memory;
    private readonly byte[] _copy;
    private readonly uint _recordSize;
    private readonly uint _capacity;
    private readonly int _innerSnap;
    private readonly int _outerSnap;
    private ulong _next;
    private long _overwritten;

    /// <summary>Opens a ring.</summary>
    /// <param name="file">Its descriptor, owned from now on.</param>
    /// <exception cref="RingException">It is no ring, or of another version.</exception>
    public RingReader(FileDescriptor file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using (var borrowed = new SafeFileHandle(file.Value, ownsHandle: false))
        {
            _memory = RingMemory.Map(file, RandomAccess.GetLength(borrowed));
        }

        RingHeader header = *_memory.Header;
        try
        {
            Check(header, _memory.Length);
        }
        catch
        {
            _memory.Dispose();
            throw;
        }

        _recordSize = header.RecordSize;
        _capacity = header.Capacity;
        _innerSnap = (int)header.InnerSnap;
        _outerSnap = (int)header.OuterSnap;
        ClockOffset = header.ClockOffset;
        Worker = (int)header.Worker;
        _copy = GC.AllocateUninitializedArray<byte>((int)_recordSize);
    }

    /// <summary>Gets the number of the thread that writes.</summary>
    public int Worker { get; }

    /// <summary>Gets what turns CLOCK_MONOTONIC into Unix time, in nanoseconds.</summary>
    public long ClockOffset { get; }

    /// <summary>Gets the records that were overwritten before they were read, or left out by the writer.</summary>
    public long Lost => _overwritten + Math.Max(Volatile.Read(ref _memory.Header->Skipped), 0);

    /// <summary>Gets the record that was taken last; valid until the next is taken.</summary>
    public RingEntry Current => Entry();

    /// <summary>Gets when the record that was taken last began, in nanoseconds of CLOCK_MONOTONIC.</summary>
    public long Time => MemoryMarshal.Read<RingRecord>(_copy).Time;

    /// <summary>Takes the oldest record that is still there.</summary>
    /// <returns>False when there is none at the moment; <see cref="Current"/> is of no use then.</returns>
    public bool TryTake()
    {
        ulong head = Volatile.Read(ref _memory.Header->Head);
        while (_next != head)
        {
            ulong behind = head - _next;
            if (behind > long.MaxValue)
            {
                // The count went backwards: the writer is not what it says, and nothing it says now can be used.
                break;
            }

            if (behind > _capacity)
            {
                // Far behind: an eighth of the ring is given up, so that the writer does not catch up at once.
                ulong jump = behind - _capacity + (_capacity / 8);
                _overwritten += (long)jump;
                _next += jump;
            }

            if (TryCopy(_next++))
            {
                return true;
            }

            _overwritten++;
        }

        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private static void Check(in RingHeader header, nuint length)
    {
        if (header.Magic != RingHeader.MagicValue)
        {
            throw RingException.Foreign("its first bytes are others");
        }

        if (header.Version != RingHeader.VersionValue)
        {
            throw RingException.Foreign($"its layout has version {header.Version}, and {RingHeader.VersionValue} is known");
        }

        ulong snaps = (ulong)header.InnerSnap + header.OuterSnap;
        if (header.InnerSnap > RingMemory.MaxSnap || header.OuterSnap > RingMemory.MaxSnap || header.RecordSize < RingRecord.Size + snaps
            || header.RecordSize > RingRecord.Size + snaps + 64 || !BitOperations.IsPow2(header.Capacity)
            || RingHeader.Size + ((ulong)header.RecordSize * header.Capacity) > length)
        {
            throw RingException.Foreign("its sizes contradict each other");
        }
    }

    private bool TryCopy(ulong number)
    {
        var record = (RingRecord*)(_memory.Address + RingHeader.Size + ((nuint)(number & (_capacity - 1)) * _recordSize));
        if (Volatile.Read(ref record->Sequence) != number + 1)
        {
            return false;
        }

        fixed (byte* copy = _copy)
        {
            *(RingRecord*)copy = *record;
            var head = (RingRecord*)copy;
            if (head->InnerCaptured > _innerSnap || head->OuterCaptured > _outerSnap)
            {
                return false;
            }

            Buffer.MemoryCopy((byte*)record + RingRecord.Size, copy + RingRecord.Size, _innerSnap, head->InnerCaptured);
            Buffer.MemoryCopy((byte*)record + RingRecord.Size + _innerSnap, copy + RingRecord.Size + _innerSnap, _outerSnap, head->OuterCaptured);
        }

        Volatile.ReadBarrier();
        return Volatile.Read(ref record->Sequence) == number + 1;
    }

    private RingEntry Entry()
    {
        ref readonly RingRecord head = ref MemoryMarshal.AsRef<RingRecord>(_copy.AsSpan());
        return new RingEntry(
            in head,
            _copy.AsSpan(RingRecord.Size, head.InnerCaptured),
            _copy.AsSpan(RingRecord.Size + _innerSnap, head.OuterCaptured),
            head.Time + ClockOffset);
    }
}
