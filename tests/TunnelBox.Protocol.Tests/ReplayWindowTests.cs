using Xunit.Abstractions;

namespace TunnelBox.Protocol.Tests;

public sealed class ReplayWindowTests(ITestOutputHelper output)
{
    private const ulong Limit = ulong.MaxValue - (1UL << 13);
    private const ulong Size = ReplayWindow.Size;

    /// <summary>Each row is one history in one window: counters with the answer expected of each.</summary>
    public static TheoryData<string, (ulong Counter, bool Accepted)[]> Edges => new()
    {
        { "zero once", [(0, true), (0, false)] },
        { "one before zero", [(1, true), (0, true), (0, false), (1, false)] },
        { "rising", [(0, true), (1, true), (2, true), (3, true), (3, false), (0, false)] },
        { "falling", [(9, true), (8, true), (7, true), (0, true), (8, false), (0, false)] },
        { "a gap is filled later", [(0, true), (5, true), (3, true), (5, false), (4, true), (3, false)] },
        { "edge of the first block", [(63, true), (64, true), (63, false), (64, false), (62, true), (65, true)] },
        { "the oldest usable counter", [(Size, true), (0, true), (0, false)] },
        { "one beyond the oldest", [(Size + 1, true), (0, false), (1, true), (1, false)] },
        { "the window slides by one", [(Size + 1, true), (1, true), (Size + 2, true), (1, false), (2, true)] },
        { "seen stays seen at the far edge", [(16, true), (Size + 16, true), (16, false), (17, true), (15, false)] },
        { "full ring length ahead", [(0, true), (8192, true), (0, false), (64, true), (63, false), (8192, false)] },
        { "one less than the ring ahead", [(0, true), (8191, true), (0, false), (62, false), (63, true), (63, false)] },
        { "one more than the ring ahead", [(0, true), (8193, true), (64, false), (65, true), (8193, false), (1, false)] },
        { "same ring place, other counter", [(5, true), (8192 + 5, true), (5, false), (8192 + 5, false), (8192 + 4, true)] },
        { "same ring place after a jump", [(7, true), ((1UL << 40) + 7, true), ((1UL << 40) + 6, true), (7, false)] },
        { "far jump keeps nothing", [(0, true), (1, true), (1UL << 62, true), (1, false), ((1UL << 62) - Size, true)] },
        { "far jump, one beyond its window", [(1UL << 62, true), ((1UL << 62) - Size - 1, false)] },
        { "jump over 2^32", [(uint.MaxValue, true), (1UL << 32, true), (uint.MaxValue, false), (1UL << 32, false)] },
        { "jump over 2^63", [((1UL << 63) - 1, true), (1UL << 63, true), ((1UL << 63) - 1, false), ((1UL << 63) - 2, true)] },
        { "last counter", [(Limit - 1, true), (Limit - 1, false), (Limit - 2, true)] },
        { "the limit itself", [(Limit, false), (Limit, false), (0, true)] },
        { "one beyond the limit", [(Limit + 1, false), (ulong.MaxValue, false), (1, true)] },
        { "the limit moves nothing", [(10, true), (Limit, false), (ulong.MaxValue, false), (9, true), (10, false)] },
        { "after the last counter", [(Limit - 1, true), (0, false), (Limit - 1 - Size, true), (Limit - 2 - Size, false)] },
        { "block boundary at the far edge", [(Size + 64, true), (64, true), (63, false), (64, false), (65, true)] },
        { "block before the boundary", [(Size + 63, true), (63, true), (62, false), (63, false), (64, true)] },
        { "jump of exactly one block", [(1, true), (65, true), (1, false), (2, true), (65, false), (64, true)] },
        { "jump of 127 blocks", [(0, true), (127 * 64, true), (0, false), (1, true), (127 * 64, false)] },
        { "jump of 128 blocks", [(64, true), (64 + (128 * 64), true), (64, false), (128, true), (127, false)] },
        { "two jumps around the ring", [(3, true), (3 + 8192, true), (3 + 16384, true), (3 + 8192, false), (4 + 8192 + 64, true)] },
        { "refused early stays refused", [(20000, true), (20000 - Size - 1, false), (20001, true), (20000 - Size - 1, false)] },
        { "late packet does not move back", [(100, true), (50, true), (101, true), (50, false), (51, true), (100, false)] },
        { "zero after one block", [(64, true), (0, true), (0, false), (64, false), (1, true)] },
        { "neighbours of the newest", [(5000, true), (4999, true), (5001, true), (4999, false), (5000, false), (5001, false)] },
        { "all ones below a block edge", [(127, true), (126, true), (128, true), (127, false), (126, false), (125, true)] },
        { "refused counters leave no trace", [(30000, true), (1, false), (30000 - 8192, false), (29999, true), (30000, false)] },
    };

    [Theory]
    [MemberData(nameof(Edges))]
    public void Edge_histories_are_answered_as_the_window_says(string name, (ulong Counter, bool Accepted)[] history)
    {
        var window = new ReplayWindow();
        foreach ((ulong counter, bool accepted) in history)
        {
            Assert.True(window.WouldAccept(counter) == accepted, $"{name}: would accept {counter}");
            Assert.True(window.Accept(counter) == accepted, $"{name}: accept {counter}");
        }
    }

    [Fact]
    public void What_was_seen_passes_on_to_the_next_process()
    {
        ReplayWindow old = new(), next = new();
        Random random = new(9);
        HashSet<ulong> seen = [];
        for (int i = 0; i < 20_000; i++)
        {
            ulong counter = (ulong)(i + random.Next(3_000));
            if (old.Accept(counter))
            {
                seen.Add(counter);
            }
        }

        byte[] state = new byte[ReplayWindow.StateSize];
        old.Export(state);
        next.Import(state);
        Assert.All(seen, counter => Assert.False(next.WouldAccept(counter)));
        for (ulong counter = 0; counter < 30_000; counter++)
        {
            Assert.Equal(old.WouldAccept(counter), next.WouldAccept(counter));
        }
    }

    [Fact]
    public void The_window_is_as_large_as_in_the_kernel() => Assert.Equal(8128, ReplayWindow.Size);

    [Fact]
    public void A_full_window_is_accepted_forwards_once()
    {
        var window = new ReplayWindow();
        for (ulong i = 0; i <= 3 * Size; i++)
        {
            Assert.True(window.Accept(i));
            Assert.False(window.Accept(i));
        }
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL)]
    [InlineData(63UL)]
    [InlineData(64UL)]
    [InlineData(8192UL)]
    [InlineData(1UL << 50)]
    public void A_full_window_is_accepted_backwards_once(ulong start)
    {
        var window = new ReplayWindow();
        for (ulong i = 0; i <= Size; i++)
        {
            Assert.True(window.Accept(start + Size - i));
        }

        for (ulong i = 0; i <= Size; i++)
        {
            Assert.False(window.Accept(start + i));
        }

        if (start > 0)
        {
            Assert.False(window.Accept(start - 1));
        }
    }

    [Fact]
    public void After_reset_everything_is_new_again()
    {
        var window = new ReplayWindow();
        Assert.True(window.Accept(0));
        Assert.True(window.Accept(12345));
        window.Reset();
        Assert.True(window.Accept(0));
        Assert.True(window.Accept(12345));
        Assert.False(window.Accept(0));
    }

    [Fact]
    public void Random_histories_agree_with_a_naive_model()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        long accepted = 0;
        for (int round = 0; round < 40; round++)
        {
            var window = new ReplayWindow();
            var seen = new HashSet<ulong>();
            ulong newest = round % 4 == 3 ? Limit - 100_000 : 0;
            if (newest != 0)
            {
                Assert.True(window.Accept(newest));
                seen.Add(newest);
            }

            for (int i = 0; i < 50_000; i++)
            {
                ulong counter = random.Next(12) switch
                {
                    0 => newest + 1,
                    1 => newest + (ulong)random.Next(1, 4),
                    2 => newest + (ulong)random.Next(1, 200),
                    3 when random.Next(50) == 0 => newest + (ulong)random.Next(8000, 8400),
                    4 when random.Next(2000) == 0 => newest + (ulong)random.NextInt64(1L << 44),
                    5 => newest - Math.Min(newest, Size + (ulong)random.Next(-3, 4)),
                    6 => newest - Math.Min(newest, (ulong)random.Next(20_000)),
                    _ => newest - Math.Min(newest, (ulong)random.Next((int)Size + 1)),
                };
                bool expected = counter < Limit && (counter > newest || newest - counter <= Size) && seen.Add(counter);
                Assert.True(window.WouldAccept(counter) == expected, $"round {round}, step {i}: would accept {counter}, newest {newest}");
                Assert.True(window.Accept(counter) == expected, $"round {round}, step {i}: accept {counter}, newest {newest}");
                if (expected)
                {
                    accepted++;
                    newest = Math.Max(newest, counter);
                }
            }
        }

        output.WriteLine($"{accepted} of 2000000 accepted");
        Assert.InRange(accepted, 100_000, 1_999_999);
    }

    [Fact]
    public void Accepting_allocates_nothing()
    {
        var window = new ReplayWindow();
        window.Accept(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong i = 1; i < 1_000_000; i++)
        {
            window.Accept(i * 3);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
