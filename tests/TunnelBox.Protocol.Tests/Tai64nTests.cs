namespace TunnelBox.Protocol.Tests;

public sealed class Tai64nTests
{
    [Fact]
    public void The_label_counts_from_2_to_the_62_and_ten_seconds()
    {
        byte[] bytes = new byte[12];
        Tai64n.From(DateTimeOffset.FromUnixTimeMilliseconds(1_500)).CopyTo(bytes);
        Assert.Equal("400000000000000b1dcd6500", Convert.ToHexStringLower(bytes));
        Assert.Equal(Tai64n.From(DateTimeOffset.UnixEpoch), Tai64n.From(DateTimeOffset.MinValue));
    }

    [Fact]
    public void Order_is_the_order_of_the_bytes()
    {
        Random random = new(64);
        byte[] a = new byte[12], b = new byte[12];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(a);
            random.NextBytes(b);
            // Often equal in front, so that the later bytes decide.
            a.AsSpan(0, random.Next(13)).CopyTo(b);
            Tai64n x = Tai64n.Read(a), y = Tai64n.Read(b);
            Assert.Equal(Math.Sign(a.AsSpan().SequenceCompareTo(b)), Math.Sign(x.CompareTo(y)));
            Assert.Equal(x < y, !(x >= y));
            Assert.Equal(x > y, !(x <= y));
            byte[] copy = new byte[12];
            x.CopyTo(copy);
            Assert.Equal(a, copy);
        }
    }

    [Fact]
    public void Adding_carries_into_seconds()
    {
        Assert.Equal(new Tai64n(6, 0), new Tai64n(5, 999_999_999).Add(1));
        Assert.Equal(new Tai64n(8, 100), new Tai64n(5, 999_999_999).Add(2_000_000_101));
    }

    [Fact]
    public void Stamps_follow_the_clock_in_coarse_steps()
    {
        ManualClock wall = new() { Now = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000).AddTicks(1_234_567) };
        Tai64nClock clock = new(wall);
        Tai64n first = clock.Next();
        Assert.Equal(0x400000000000000A + 1_700_000_000UL, first.Seconds);
        Assert.Equal(0u, first.Nanoseconds & 0xFFFFFF);
        Assert.InRange(first.Nanoseconds, 123_456_700u - (1 << 24), 123_456_700u);
        wall.Now = wall.Now.AddMilliseconds(17);
        Assert.Equal(first.Add(1 << 24), clock.Next());
    }

    [Fact]
    public void Stamps_always_grow_also_at_one_moment_and_when_the_clock_goes_back()
    {
        ManualClock wall = new() { Now = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000) };
        Tai64nClock clock = new(wall);
        Tai64n last = clock.Last;
        Random random = new(1);
        for (int i = 0; i < 10_000; i++)
        {
            Tai64n next = clock.Next();
            Assert.True(next > last);
            Assert.Equal(next, clock.Last);
            last = next;
            wall.Now = wall.Now.AddMilliseconds(random.Next(-50, 50));
        }

        wall.Now = DateTimeOffset.UnixEpoch;
        Assert.Equal(last.Add(1), clock.Next());
    }

    [Fact]
    public void The_floor_of_an_earlier_run_is_passed()
    {
        ManualClock wall = new() { Now = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000) };
        Tai64n floor = Tai64n.From(wall.Now.AddYears(1));
        Tai64nClock clock = new(wall, floor);
        Assert.Equal(floor, clock.Last);
        Assert.Equal(floor.Add(1), clock.Next());
        wall.Now = wall.Now.AddYears(2);
        Assert.True(clock.Next() > floor.Add(1_000_000_000));
    }

    [Fact]
    public void Threads_get_different_stamps()
    {
        Tai64nClock clock = new(TimeProvider.System);
        Tai64n[] stamps = new Tai64n[4000];
        Parallel.For(0, stamps.Length, i => stamps[i] = clock.Next());
        Assert.Equal(stamps.Length, stamps.Distinct().Count());
    }

    private sealed class ManualClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; }

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
