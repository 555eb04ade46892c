namespace TunnelBox.Linux.Clock;

/// <summary>Processor time of the calling thread (CLOCK_THREAD_CPUTIME_ID): what work costs, however busy the machine is.</summary>
public static unsafe class ThreadClock
{
    /// <summary>Reads the clock: one system call.</summary>
    /// <returns>Nanoseconds that this thread has run on a processor.</returns>
    public static long Nanoseconds()
    {
        ClockNative.Timespec time;
        return ClockNative.ClockGetTime(ClockNative.CLOCK_THREAD_CPUTIME_ID, &time) == 0
            ? (time.Seconds * 1_000_000_000) + time.Nanoseconds
            : 0;
    }
}
