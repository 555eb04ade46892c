using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Frames on their way back keep their order and number over many turns of the ring.</summary>
[Trait("Needs", "root")]
public sealed class FrameReturnsTests
{
    [Fact]
    public void Frames_arrive_in_the_fill_ring_as_they_were_given()
    {
        using var lab = new XdpLab();
        lab.Here.Inside(() =>
        {
            using Arena arena = Arena.Map(32);
            (OuterProgram program, XdpSocket socket) = XdpLab.Open(arena, 16);
            using (program)
            using (socket)
            {
                var returns = new FrameReturns(10);
                returns.Give([4096, 8192]);
                Assert.Equal(2, returns.Waiting);
                returns.Give([12288]);
                ref ulong first = ref socket.Fill.Frame(0);
                ref ulong third = ref socket.Fill.Frame(2);
                returns.MoveTo(socket.Fill);
                Assert.Equal(0, returns.Waiting);
                Assert.Equal(3u, socket.Fill.Used);
                Assert.Equal((4096UL, 12288UL), (first, third));
                returns.MoveTo(socket.Fill);
                Assert.Equal(3u, socket.Fill.Used);
            }
        });
    }
}
