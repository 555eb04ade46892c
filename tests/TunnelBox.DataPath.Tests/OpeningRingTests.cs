namespace TunnelBox.DataPath.Tests;

/// <summary>Blocks are taken in order, once each, by whoever comes, and leave in order.</summary>
public sealed class OpeningRingTests
{
    [Fact]
    public void Blocks_are_taken_oldest_first_and_once()
    {
        var ring = new OpeningRing();
        Assert.Null(ring.Take());
        OpeningBlock first = ring.Next;
        ring.Offer();
        OpeningBlock second = ring.Next;
        ring.Offer();
        Assert.Equal(2, ring.Count);
        Assert.Same(first, ring.Oldest);
        Assert.Same(first, ring.Take());
        Assert.Same(second, ring.Take());
        Assert.Null(ring.Take());
        Assert.False(first.IsOpened);
        first.Finish();
        Assert.True(ring.Oldest.IsOpened);
        ring.Release();
        Assert.False(first.IsOpened);
        Assert.Same(second, ring.Oldest);
        Assert.Equal(1, ring.Count);
    }

    [Fact]
    public void Two_threads_share_a_million_blocks_without_losing_or_doubling_one()
    {
        const int Blocks = 1_000_000;
        var ring = new OpeningRing();
        bool over = false;
        long helped = 0;
        using var ready = new ManualResetEventSlim();
        var helper = new Thread(() =>
        {
            ready.Set();
            while (!Volatile.Read(ref over))
            {
                if (ring.Take() is { } block)
                {
                    block.Jobs.Count++;
                    block.Finish();
                    helped++;
                }
            }
        });
        helper.Start();
        ready.Wait();
        long delivered = 0;
        int offered = 0;
        while (delivered < Blocks)
        {
            if (ring.Count > 0 && ring.Oldest.IsOpened)
            {
                // What the taker did, once: releasing empties the block for its next turn.
                Assert.Equal(ring.Oldest.Burst.Count + 1, ring.Oldest.Jobs.Count);
                ring.Release();
                delivered++;
            }
            else if (offered < Blocks && ring.Count < OpeningRing.Capacity)
            {
                ring.Offer();
                offered++;
            }
            else if (ring.Take() is { } block)
            {
                block.Jobs.Count++;
                block.Finish();
            }
        }

        Volatile.Write(ref over, true);
        helper.Join();
        Assert.Equal(0, ring.Count);
        Assert.True(helped > 0, "The other thread never took a block.");
    }
}
