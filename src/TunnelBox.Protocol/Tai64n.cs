using System.Buffers.Binary;

namespace TunnelBox.Protocol;

/// <summary>
/// A time stamp of 12 bytes: TAI seconds and nanoseconds, big-endian, so that the order of the bytes is the order of time
/// (TAI64N). Received stamps are compared and never interpreted.
/// </summary>
/// <param name="Seconds">Seconds with the label's offset of 2^62.</param>
/// <param name="Nanoseconds">Nanoseconds; of a received stamp, any number.</param>
public readonly record struct Tai64n(ulong Seconds, uint Nanoseconds) : IComparable<Tai64n>
{
    /// <summary>Bytes in a stamp.</summary>
    public const int Size = 12;

    private const uint NanosecondsPerSecond = 1_000_000_000;
    private const uint Granularity = 1 << 24;

    // The label of 1970-01-01 00:00:10 TAI. Leap seconds since 1972 are left out, as every WireGuard leaves them out.
    private const ulong Base = 0x4000_0000_0000_000A;

    /// <summary>Gives the stamp of a wall clock time.</summary>
    /// <param name="time">The time, not before 1970.</param>
    /// <returns>The stamp, to 100 ns.</returns>
    public static Tai64n From(DateTimeOffset time)
    {
        long ticks = Math.Max(0, time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks);
        (long seconds, long rest) = Math.DivRem(ticks, TimeSpan.TicksPerSecond);
        return new Tai64n(Base + (ulong)seconds, (uint)(rest * 100));
    }

    /// <summary>Reads a stamp.</summary>
    /// <param name="bytes">At least 12 bytes.</param>
    /// <returns>The stamp.</returns>
    public static Tai64n Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt32BigEndian(bytes[8..Size]));

    /// <summary>Writes the 12 bytes.</summary>
    /// <param name="destination">At least 12 bytes.</param>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..Size], Nanoseconds);
        BinaryPrimitives.WriteUInt64BigEndian(destination, Seconds);
    }

    /// <summary>Gives the stamp rounded down to 2^24 ns, about 17 ms, which keeps the exact time of day, useful against other protocols, from the peer.</summary>
    /// <returns>The stamp of whole grains.</returns>
    public Tai64n Coarse() => this with { Nanoseconds = Nanoseconds & ~(Granularity - 1) };

    /// <summary>Gives a later stamp.</summary>
    /// <param name="nanoseconds">How much later, at least 0.</param>
    /// <returns>The stamp.</returns>
    public Tai64n Add(ulong nanoseconds)
    {
        (ulong seconds, ulong rest) = Math.DivRem(Nanoseconds + nanoseconds, NanosecondsPerSecond);
        return new Tai64n(Seconds + seconds, (uint)rest);
    }

    /// <inheritdoc/>
    public int CompareTo(Tai64n other) =>
        Seconds != other.Seconds ? Seconds.CompareTo(other.Seconds) : Nanoseconds.CompareTo(other.Nanoseconds);

    /// <summary>Tells whether the left stamp is earlier.</summary>
    public static bool operator <(Tai64n left, Tai64n right) => left.CompareTo(right) < 0;

    /// <summary>Tells whether the left stamp is later.</summary>
    public static bool operator >(Tai64n left, Tai64n right) => left.CompareTo(right) > 0;

    /// <summary>Tells whether the left stamp is not later.</summary>
    public static bool operator <=(Tai64n left, Tai64n right) => left.CompareTo(right) <= 0;

    /// <summary>Tells whether the left stamp is not earlier.</summary>
    public static bool operator >=(Tai64n left, Tai64n right) => left.CompareTo(right) >= 0;
}

/// <summary>
/// Stamps for our initiations: every stamp is later than all before it, also when the wall clock goes back. One for a
/// device; safe for use by several threads.
/// </summary>
/// <remarks>
/// Peers refuse a stamp that is not newer than the last they saw, so a device that restarts with a clock in the past would
/// stay shut out. The caller therefore keeps <see cref="Last"/> and gives it back as the floor of the next run.
/// </remarks>
public sealed class Tai64nClock : IStampSource
{
    private readonly Lock _lock = new();
    private readonly TimeProvider _wallClock;
    private Tai64n _last;

    /// <summary>Makes the clock.</summary>
    /// <param name="wallClock">The wall clock; its UTC time is used.</param>
    /// <param name="floor">The last stamp of an earlier run, or the default.</param>
    public Tai64nClock(TimeProvider wallClock, Tai64n floor = default)
    {
        ArgumentNullException.ThrowIfNull(wallClock);
        _wallClock = wallClock;
        _last = floor;
    }

    /// <summary>Gets the last stamp given, or the floor.</summary>
    public Tai64n Last
    {
        get
        {
            lock (_lock)
            {
                return _last;
            }
        }
    }

    /// <summary>Gives the next stamp.</summary>
    /// <returns>A stamp later than every one before.</returns>
    public Tai64n Next()
    {
        Tai64n now = Tai64n.From(_wallClock.GetUtcNow()).Coarse();
        lock (_lock)
        {
            // One nanosecond is enough for order, and does not run ahead of the clock however many initiations there are.
            _last = now > _last ? now : _last.Add(1);
            return _last;
        }
    }
}
