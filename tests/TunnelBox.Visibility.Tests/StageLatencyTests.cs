namespace TunnelBox.Visibility.Tests;

public sealed class StageLatencyTests
{
    [Fact]
    public void What_is_read_is_at_most_a_quarter_too_large_and_never_too_small()
    {
        var random = new Random(3);
        for (int round = 0; round < 200; round++)
        {
            var latency = new StageLatency();
            long[] values = [.. Enumerable.Range(0, random.Next(1, 400)).Select(_ => (long)Math.Exp(random.NextDouble() * 40))];
            Array.ForEach(values, latency.Add);
            Array.Sort(values);
            (long count, long median, long p99, long longest) = latency.Read();
            Assert.Equal((values.Length, values[^1]), (count, longest));
            Near(values[((values.Length + 1) / 2) - 1], median);
            Near(values[((values.Length * 99 + 99) / 100) - 1], p99);
        }
    }

    [Fact]
    public void Nothing_and_what_a_clock_gives_that_ran_back_are_zero()
    {
        var latency = new StageLatency();
        Assert.Equal((0, 0, 0, 0), latency.Read());
        latency.Add(-5);
        Assert.Equal((1, 0, 0, 0), latency.Read());
        latency.Add(long.MaxValue);
        Assert.Equal(long.MaxValue, latency.Read().Longest);
    }

    private static void Near(long exact, long read) => Assert.InRange(read, exact, exact + (exact / 4));
}
