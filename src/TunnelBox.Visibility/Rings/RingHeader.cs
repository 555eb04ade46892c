using System.Runtime.InteropServices;

namespace TunnelBox.Visibility.Rings;

/// <summary>The first page of a trace ring. The writer's counts stand on a line of their own.</summary>
[StructLayout(LayoutKind.Explicit, Size = Size)]
public struct RingHeader
{
    /// <summary>Bytes before the first record.</summary>
    public const int Size = 4096;

    /// <summary>What <see cref="Magic"/> says: TBRINGS and a zero, as the bytes stand in memory.</summary>
    public const ulong MagicValue = 0x0053_474E_4952_4254;

    /// <summary>The version of this layout and of <see cref="RingRecord"/>.</summary>
    public const uint VersionValue = 1;

    /// <summary>Says that this is a trace ring.</summary>
    [FieldOffset(0)]
    public ulong Magic;

    /// <summary>The layout's version.</summary>
    [FieldOffset(8)]
    public uint Version;

    /// <summary>Bytes of a record with its captured bytes, a multiple of 64.</summary>
    [FieldOffset(12)]
    public uint RecordSize;

    /// <summary>Records in the ring, a power of two.</summary>
    [FieldOffset(16)]
    public uint Capacity;

    /// <summary>Most captured bytes of an inner packet.</summary>
    [FieldOffset(20)]
    public uint InnerSnap;

    /// <summary>Most captured bytes of an outer packet.</summary>
    [FieldOffset(24)]
    public uint OuterSnap;

    /// <summary>The number of the thread that writes here, as counters and probes have it; 0 for the control side.</summary>
    [FieldOffset(28)]
    public uint Worker;

    /// <summary>Unix time in nanoseconds minus CLOCK_MONOTONIC when the ring was made: what turns <see cref="RingRecord.Time"/> into wall time.</summary>
    [FieldOffset(32)]
    public long ClockOffset;

    /// <summary>Records written since the ring was made.</summary>
    [FieldOffset(128)]
    public ulong Head;

    /// <summary>Records that the writer left out, because another thread was writing.</summary>
    [FieldOffset(136)]
    public long Skipped;
}
