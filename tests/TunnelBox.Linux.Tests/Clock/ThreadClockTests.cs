using System.Diagnostics;
using TunnelBox.Linux.Clock;

namespace TunnelBox.Linux.Tests.Clock;

public sealed class ThreadClockTests
{
    [Fact]
    public void Sleep_costs_nothing_and_work_does()
    {
        long before = ThreadClock.Nanoseconds();
        Thread.Sleep(200);
        long slept = ThreadClock.Nanoseconds() - before;
        Assert.InRange(slept, 0, 100_000_000);

        var watch = Stopwatch.StartNew();
        while (ThreadClock.Nanoseconds() - before < slept + 5_000_000)
        {
            Assert.True(watch.Elapsed < TimeSpan.FromMinutes(1), "the clock stands still");
        }
    }
}
