namespace TunnelBox.Linux.Clock;

/// <summary>
/// Time since boot that goes on while the machine is suspended (CLOCK_BOOTTIME), in nanoseconds. Keys age by this
/// clock: after a suspend they are as old as they really are.
/// </summary>
public sealed unsafe class BootClock : TimeProvider
{
    private BootClock()
    {
    }

    /// <summary>Gets the clock. It has no state.</summary>
    public static BootClock Instance { get; } = new();

    /// <summary>Gets the unit of <see cref="GetTimestamp"/>: 10^9 a second.</summary>
    public override long TimestampFrequency => 1_000_000_000;

    /// <summary>Reads the clock: about 30 ns, no allocation.</summary>
    /// <returns>Nanoseconds since boot, suspended time included.</returns>
    public static long Nanoseconds() => Read(ClockNative.CLOCK_BOOTTIME);

    /// <summary>Reads how long the machine has been suspended since boot; it grows by each suspend.</summary>
    /// <returns>Nanoseconds, to within the time of two clock reads.</returns>
    public static long SuspendedNanoseconds() =>
        Math.Max(0, Read(ClockNative.CLOCK_BOOTTIME) - Read(ClockNative.CLOCK_MONOTONIC));

    /// <inheritdoc/>
    public override long GetTimestamp() => Nanoseconds();

    private static long Read(int clock)
    {
        ClockNative.Timespec time;
        if (ClockNative.ClockGetTime(clock, &time) != 0)
        {
            // Only a kernel older than 2.6.39 lacks the clock.
            throw new PlatformNotSupportedException("The kernel has no CLOCK_BOOTTIME; use Linux 2.6.39 or newer.");
        }

        return (time.Seconds * 1_000_000_000) + time.Nanoseconds;
    }
}
