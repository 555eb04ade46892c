using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Frames of two queues in one memory, which pass from one to the other.</summary>
public sealed unsafe class FrameSetTests
{
    private const int Entries = 64;

    [Fact]
    public void A_packet_leaves_in_the_frame_it_came_in_and_each_queue_keeps_as_many_frames_as_it_had()
    {
        using Arena arena = Arena.Map(4 * Entries);
        using var inner = new MemoryQueue(arena, Entries);
        using var outer = new MemoryQueue(arena, Entries);
        Assert.Equal(0, arena.CountUnused());
        var burst = new Burst();
        var random = new Random(7);
        long allocated = 0;
        long direct = 0;
        for (int round = 0; round < 3000; round++)
        {
            (MemoryQueue from, MemoryQueue to) = random.Next(2) == 0 ? (inner, outer) : (outer, inner);
            byte[] frame = new byte[100 + random.Next(1000)];
            random.NextBytes(frame);
            int count = random.Next(1, 60);
            burst.Clear();
            from.Queue.Recycle();
            for (int i = 0; i < count; i++)
            {
                from.Arrive([frame]);
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            from.Queue.ReceiveFrames(burst);
            to.Queue.Reclaim();
            for (int i = 0; i < burst.Count; i++)
            {
                // Some are left where they are, as a dropped packet is.
                if (i % 7 != 3)
                {
                    Assert.True(to.Queue.TryTakeOver(burst, i));
                    to.Queue.AddTakenOver((byte*)burst.Data[i] + 14, 14, burst.Length[i] - 14);
                    Assert.False(to.Queue.TryTakeOver(burst, i), "a frame is taken twice");
                }
            }

            to.Queue.Flush();
            allocated += round < 100 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            List<(ulong Address, byte[] Bytes, uint Options)> left = to.Leave();
            direct += left.Count;
            Assert.Equal(count, burst.Count);
            int sent = 0;
            for (int i = 0; i < count; i++)
            {
                if (i % 7 != 3)
                {
                    Assert.Equal((ulong)(burst.Data[i] - (nint)arena.Address), left[sent].Address);
                    Assert.True(frame.AsSpan().SequenceEqual(left[sent++].Bytes));
                }
            }
        }

        Assert.Equal(0, allocated);
        foreach (MemoryQueue each in new[] { inner, outer })
        {
            burst.Clear();
            each.Queue.Recycle();
            each.Queue.Reclaim();
            XdpQueueState state = each.Queue.Read(0);
            Assert.Equal((2 * Entries, Entries, Entries, 0), (state.Total, state.Free, state.Fill, state.Away));
            Assert.Equal(0, state.Copied);
            direct -= state.Direct;
        }

        Assert.Equal(0, direct);
    }

    [Fact]
    public void What_lies_elsewhere_is_not_taken_over()
    {
        using Arena arena = Arena.Map(4 * Entries);
        using Arena other = Arena.Map(2 * Entries);
        using var inner = new MemoryQueue(arena, Entries);
        using var outer = new MemoryQueue(arena, Entries);
        using var apart = new MemoryQueue(other, Entries);
        var burst = new Burst();
        inner.Arrive([new byte[100]]);
        inner.Arrive([new byte[3792], new byte[100]]);
        inner.Queue.Recycle();
        inner.Queue.ReceiveFrames(burst);
        Assert.False(apart.Queue.TryTakeOver(burst, 0));
        Assert.False(outer.Queue.TryTakeOver(burst, 1));
        Assert.True(outer.Queue.TryTakeOver(burst, 0));

        // Without a free frame to give for it, none is taken.
        burst.Clear();
        while (outer.Queue.Take(out _) is not null)
        {
        }

        inner.Arrive([new byte[100]]);
        inner.Queue.Recycle();
        inner.Queue.ReceiveFrames(burst);
        Assert.False(outer.Queue.TryTakeOver(burst, 0));
        burst.Clear();
        Assert.False(burst.HasFrames);
    }

    [Fact]
    public void What_a_closed_queue_had_is_there_for_the_next_one_and_the_other_queues_frames_stay_its_own()
    {
        using Arena arena = Arena.Map(4 * Entries);
        using var inner = new MemoryQueue(arena, Entries);
        var burst = new Burst();
        for (int round = 0; round < 300; round++)
        {
            // More owners come and go than there are numbers for.
            using var outer = new MemoryQueue(arena, Entries);
            Assert.Null(arena.Rent(1));
            for (int i = 0; i < 20; i++)
            {
                inner.Arrive([[.. BitConverter.GetBytes(i), .. new byte[60]]]);
            }

            burst.Clear();
            inner.Queue.Recycle();
            inner.Queue.ReceiveFrames(burst);
            for (int i = 0; i < burst.Count; i++)
            {
                Assert.True(outer.Queue.TryTakeOver(burst, i));
                outer.Queue.AddTakenOver((byte*)burst.Data[i] + 14, 14, burst.Length[i] - 14);
            }

            outer.Queue.Flush();

            // Closed with frames under way.
            Assert.Equal(Enumerable.Range(0, 20), (round % 2 == 0 ? outer.Leave() : [.. Enumerable.Range(0, 20).Select(i => (0ul, BitConverter.GetBytes(i), 0u))]).Select(left => BitConverter.ToInt32(left.Bytes)));
        }

        Assert.Equal(2 * Entries, arena.CountUnused());
        burst.Clear();
        inner.Queue.Recycle();
        Assert.Equal((Entries, 0), (inner.Offered, inner.Queue.Read(0).Away));
    }
}
