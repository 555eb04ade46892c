using System.Globalization;
using System.Runtime.InteropServices;
using TunnelBox.Linux.Clock;

namespace TunnelBox.Linux.Tests.Clock;

public sealed class BootClockTests
{
    [Fact]
    public void It_counts_the_uptime_in_nanoseconds()
    {
        // The first number of /proc/uptime is CLOCK_BOOTTIME, in seconds with two decimals.
        long before = BootClock.Nanoseconds();
        double uptime = double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);
        long after = BootClock.Nanoseconds();
        Assert.InRange(uptime, (before / 1e9) - 0.02, (after / 1e9) + 0.02);
        Assert.Equal(1_000_000_000, BootClock.Instance.TimestampFrequency);
    }

    [Fact]
    public void It_never_goes_back()
    {
        long last = BootClock.Nanoseconds();
        for (int i = 0; i < 200_000; i++)
        {
            long now = BootClock.Instance.GetTimestamp();
            Assert.True(now >= last);
            last = now;
        }
    }

    [Fact]
    public void Elapsed_time_is_real_time()
    {
        TimeProvider clock = BootClock.Instance;
        long start = clock.GetTimestamp();
        Thread.Sleep(50);
        Assert.InRange(clock.GetElapsedTime(start), TimeSpan.FromMilliseconds(49), TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void Suspended_time_stands_still_while_we_run()
    {
        long before = BootClock.SuspendedNanoseconds();
        Thread.Sleep(20);
        Assert.InRange(BootClock.SuspendedNanoseconds(), before - 10_000_000, before + 10_000_000);
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        BootClock.Nanoseconds();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100_000; i++)
        {
            BootClock.Nanoseconds();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public unsafe void Structs_have_the_sizes_of_the_C_headers()
    {
        Assert.Equal(16, sizeof(ClockNative.Timespec));
        Assert.Equal(12, sizeof(ClockNative.SockaddrNl));
        Assert.Equal(4, Marshal.OffsetOf<ClockNative.SockaddrNl>(nameof(ClockNative.SockaddrNl.PortId)));
    }
}
