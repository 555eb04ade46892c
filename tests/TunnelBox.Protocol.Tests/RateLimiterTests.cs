using System.Net;

namespace TunnelBox.Protocol.Tests;

public sealed class RateLimiterTests
{
    private const long Millisecond = 1_000_000;
    private const long Second = 1_000 * Millisecond;

    private static EndpointAddress From(string address, int port = 51820) =>
        EndpointAddress.From(new IPEndPoint(IPAddress.Parse(address), port));

    [Theory]
    [InlineData(0L)]
    [InlineData(123_456_789_012L)]
    [InlineData(long.MaxValue - (10 * Second))]
    public void A_burst_of_five_and_then_one_each_fifty_milliseconds(long start)
    {
        var limiter = new RateLimiter();
        EndpointAddress from = From("192.0.2.1");
        for (int i = 0; i < RateLimiter.Burst; i++)
        {
            Assert.True(limiter.Allow(from, start));
        }

        Assert.False(limiter.Allow(from, start));
        long now = start;
        for (int i = 0; i < 100; i++)
        {
            Assert.False(limiter.Allow(from, now + (50 * Millisecond) - 1));
            now += 50 * Millisecond;
            Assert.True(limiter.Allow(from, now));
            Assert.False(limiter.Allow(from, now));
        }
    }

    [Fact]
    public void The_kernels_sequence_of_waits_and_answers_holds()
    {
        // Waits in milliseconds, and whether the message after the wait passes: burst, empty, one token, two tokens, full again.
        (int Wait, bool Passes)[] steps =
        [
            (0, true), (0, true), (0, true), (0, true), (0, true), (0, false), (0, false),
            (50, true), (0, false), (100, true), (0, true), (0, false), (49, false), (1, true), (0, false),
            (250, true), (0, true), (0, true), (0, true), (0, true), (0, false),
            (10_000, true), (0, true), (0, true), (0, true), (0, true), (0, false),
        ];
        foreach (string address in (string[])["203.0.113.7", "2001:db8::7"])
        {
            var limiter = new RateLimiter();
            long now = 0;
            for (int i = 0; i < steps.Length; i++)
            {
                now += steps[i].Wait * Millisecond;
                Assert.True(limiter.Allow(From(address), now) == steps[i].Passes, $"{address}, step {i}");
            }
        }
    }

    [Fact]
    public void Twenty_a_second_pass_over_a_minute_whatever_is_offered()
    {
        var limiter = new RateLimiter();
        int passed = 0;
        for (long now = 0; now < 60 * Second; now += Millisecond)
        {
            passed += limiter.Allow(From("198.51.100.1"), now) ? 1 : 0;
        }

        // The last of the sixty seconds ends one token short of the next one.
        Assert.Equal(RateLimiter.Burst + (60 * RateLimiter.PerSecond) - 1, passed);
    }

    [Fact]
    public void IPv4_addresses_have_a_share_each_and_ports_none()
    {
        var limiter = new RateLimiter();
        for (int i = 0; i < RateLimiter.Burst; i++)
        {
            Assert.True(limiter.Allow(From("192.0.2.1", 1000 + i), 0));
        }

        Assert.False(limiter.Allow(From("192.0.2.1", 9), 0));
        Assert.True(limiter.Allow(From("192.0.2.2"), 0));
        Assert.Equal(2, limiter.Count);
    }

    [Fact]
    public void IPv6_sources_share_by_sixty_four_bits()
    {
        var limiter = new RateLimiter();
        for (int i = 0; i < RateLimiter.Burst; i++)
        {
            Assert.True(limiter.Allow(From($"2001:db8:1:2::{i + 1:x}"), 0));
        }

        Assert.False(limiter.Allow(From("2001:db8:1:2:ffff::1"), 0));
        Assert.True(limiter.Allow(From("2001:db8:1:3::1"), 0));
    }

    [Fact]
    public void Families_do_not_mix()
    {
        var limiter = new RateLimiter();
        EndpointAddress ipv4 = From("0.0.0.9");
        var ipv6 = new EndpointAddress((UInt128)9 << 64, 1, true, 0);
        for (int i = 0; i < RateLimiter.Burst; i++)
        {
            Assert.True(limiter.Allow(ipv4, 0));
        }

        Assert.False(limiter.Allow(ipv4, 0));
        Assert.True(limiter.Allow(ipv6, 0));
    }

    [Fact]
    public void Silent_sources_are_forgotten()
    {
        var limiter = new RateLimiter();
        for (uint i = 0; i < 10_000; i++)
        {
            Assert.True(limiter.Allow(new EndpointAddress(i, 1, false, 0), i * 1000));
        }

        Assert.Equal(10_000, limiter.Count);
        Assert.True(limiter.Allow(From("192.0.2.1"), 3 * Second));
        Assert.Equal(1, limiter.Count);
    }

    [Fact]
    public void A_full_table_refuses_newcomers_until_others_fall_silent()
    {
        var limiter = new RateLimiter(capacity: 100);
        for (uint i = 0; i < 100; i++)
        {
            Assert.True(limiter.Allow(new EndpointAddress(i, 1, false, 0), 0));
        }

        Assert.False(limiter.Allow(From("192.0.2.1"), Second / 2));
        Assert.True(limiter.Allow(new EndpointAddress(50, 1, false, 0), Second / 2));
        Assert.Equal(100, limiter.Count);
        Assert.True(limiter.Allow(From("192.0.2.1"), Second));
        Assert.Equal(2, limiter.Count);
    }

    [Fact]
    public void Many_sources_at_once_keep_exact_shares_through_growth_and_sweeps()
    {
        var limiter = new RateLimiter();
        const uint sources = 5000;
        var passed = new int[sources];
        for (long now = 0; now < 3 * Second; now += 25 * Millisecond)
        {
            for (uint i = 0; i < sources; i++)
            {
                passed[i] += limiter.Allow(new EndpointAddress(i * 65_537, 1, false, 0), now) ? 1 : 0;
            }
        }

        Assert.All(passed, count => Assert.Equal(RateLimiter.Burst + (3 * RateLimiter.PerSecond) - 1, count));
        Assert.Equal((int)sources, limiter.Count);
    }

    [Fact]
    public void A_clock_that_slips_back_gives_no_tokens()
    {
        var limiter = new RateLimiter();
        for (int i = 0; i < RateLimiter.Burst; i++)
        {
            Assert.True(limiter.Allow(From("192.0.2.1"), 10 * Second));
        }

        Assert.False(limiter.Allow(From("192.0.2.1"), 9 * Second));
        Assert.False(limiter.Allow(From("192.0.2.1"), 10 * Second));
        Assert.True(limiter.Allow(From("192.0.2.1"), (10 * Second) + (50 * Millisecond)));
    }
}
