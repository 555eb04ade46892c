using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>One queue of a veth whose link does not transmit.</summary>
[Trait("Needs", "root")]
public sealed unsafe class XdpQueueTests
{
    private const int Entries = 64;

    [Fact]
    public void Frames_that_the_device_throws_away_are_counted_and_come_back() => Inside(static (lab, queue) =>
    {
        lab.There.Ip("link", "set", "v1", "down");
        Fill(queue, 10);
        queue.Flush();
        Assert.True(SpinWait.SpinUntil(() => { queue.Kick(); return queue.Read(0).Transmit == 0; }, 3000), "the ring is not emptied");
        Counters counters = new();
        XdpDrops.CountRefused(counters.AddBlock("xdp"), queue.Refused, 0);
        Assert.Equal(10, counters.Read().Drops(DropReason.OutXdpNotSent));
        Assert.Equal(0, queue.SendError);
        queue.Reclaim();
        Assert.Equal((Entries, 0), (queue.Read(0).Free, queue.Read(0).Away));
    });

    [Fact]
    public void A_TX_ring_that_stays_full_stops_nobody_and_loses_no_frame() => Inside(static (lab, queue) =>
    {
        lab.Here.Ip("link", "set", "v0", "down");
        Fill(queue, Entries);
        Assert.True(queue.Take(out _) is null);
        long began = Environment.TickCount64;
        for (int pass = 0; pass < 2000; pass++)
        {
            queue.AwaitFrame();
            Assert.True(queue.Take(out _) is null);
        }

        Assert.InRange(Environment.TickCount64 - began, 0, 1500);
        Assert.Equal((Entries, Entries, 0), (queue.Read(0).Transmit, queue.Waiting, queue.Read(0).Away));
        Assert.Equal(0, queue.Refused);

        ulong stuck = queue.Progress;
        lab.Here.Ip("link", "set", "v0", "up");
        Assert.True(SpinWait.SpinUntil(() => { queue.Nudge(); return queue.Read(0).Transmit == 0; }, 3000), "the ring is not emptied");
        Assert.NotEqual(stuck, queue.Progress);
        queue.Reclaim();
        Assert.Equal((Entries, 0, 0), (queue.Read(0).Free, queue.Read(0).Away, queue.Waiting));
    });

    [Fact]
    public void A_send_that_cannot_be_mended_by_trying_again_is_remembered() => Inside(static (lab, queue) =>
    {
        // The socket is no longer bound to anything.
        lab.Here.Ip("link", "del", "v0");
        Fill(queue, 1);
        queue.Flush();
        Assert.Equal(-Definitions.ENXIO, queue.SendError);
    });

    private static void Fill(XdpQueue queue, int frames)
    {
        for (int i = 0; i < frames; i++)
        {
            byte* to = queue.Take(out ulong chunk);
            new Span<byte>(to - FrameReader.EthernetSize, 60).Fill(0xFF);
            queue.Add(chunk, FrameReader.EthernetSize, 46);
        }
    }

    private static void Inside(Action<XdpLab, XdpQueue> action)
    {
        using var lab = new XdpLab();
        lab.Here.Inside(() =>
        {
            using Arena arena = Arena.Map(2 * Entries);
            FrameSet frames = arena.Rent(Entries)!;
            (OuterProgram program, XdpSocket socket) = XdpLab.Open(arena, Entries, frames.Receiving);
            using (program)
            using (var queue = new XdpQueue(arena, socket, XdpOuter.IndexOf("v0"), frames))
            {
                action(lab, queue);
            }
        });
    }
}
