using TunnelBox.Visibility.Rings;

namespace TunnelBox.Visibility.Tests.Rings;

/// <summary>Several threads on one ring: whoever finds another writing leaves its record out, and that is counted.</summary>
public sealed class ControlRingsTests
{
    [Fact]
    public void Every_record_is_written_or_counted_as_left_out()
    {
        const int Each = 20_000;
        ControlRings rings = new();
        Assert.False(rings.Any);
        using RingWriter writer = new(default, 0, 148, 0, 1024 * 1024);
        using RingReader reader = RingReaderTests.Open(writer);
        rings.Add(writer);
        Assert.True(rings.Any);
        Thread[] threads = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                rings.Write(new RingRecord { Packets = 1, Reason = DropReason.InHandshakeMac1 }, "abc"u8);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        rings.Write(new RingRecord { Packets = 2 }, default);
        int taken = 0;
        while (reader.TryTake())
        {
            RingEntry entry = reader.Current;
            Assert.Equal(entry.Head.Packets == 1 ? RecordVerdict.Dropped : RecordVerdict.Delivered, entry.Head.Verdict);
            Assert.Equal(entry.Head.Packets == 1 ? 3 : 0, entry.Outer.Length);
            taken++;
        }

        Assert.Equal((3 * Each) + 1, taken + reader.Lost);
        rings.Remove(writer);
        Assert.False(rings.Any);
    }
}
