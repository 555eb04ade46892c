using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Xdp;

public class XdpHealthTests
{
    [Fact]
    public void Sends_that_fail_for_three_looks_in_a_row_are_a_fault()
    {
        var health = new XdpHealth(2);
        for (int round = 0; round < 5; round++)
        {
            Assert.Null(health.Look(1, -Definitions.ENXIO, 0, 0));
            Assert.Null(health.Look(1, -Definitions.ENXIO, 0, 0));
            Assert.Null(health.Look(1, 0, 0, 0));
        }

        Assert.Null(health.Look(1, -Definitions.ENXIO, 0, 0));
        Assert.Null(health.Look(1, -Definitions.ENXIO, 0, 0));
        Assert.Null(health.Look(0, -Definitions.ENXIO, 0, 0));
        Assert.Equal("sends at queue 1 fail: No such device or address (ENXIO)", health.Look(1, -Definitions.ENXIO, 0, 0));
    }

    [Fact]
    public void Frames_that_do_not_move_are_a_fault_and_frames_that_move_slowly_are_none()
    {
        var health = new XdpHealth(1);
        for (ulong moved = 0; moved < 10; moved++)
        {
            Assert.Null(health.Look(0, 0, 2048, moved));
            Assert.Null(health.Look(0, 0, 2048, moved));
        }

        Assert.Null(health.Look(0, 0, 0, 9));
        Assert.Null(health.Look(0, 0, 7, 9));
        Assert.Null(health.Look(0, 0, 7, 9));
        health.Reset();
        Assert.Null(health.Look(0, 0, 7, 9));
        Assert.Null(health.Look(0, 0, 7, 9));
        Assert.Null(health.Look(0, 0, 7, 9));
        Assert.Equal("queue 0 has transmitted nothing for 3 s while 7 frames wait", health.Look(0, 0, 7, 9));
    }
}
