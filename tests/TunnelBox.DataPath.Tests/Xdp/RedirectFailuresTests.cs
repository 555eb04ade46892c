using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

[Trait("Needs", "root")]
public sealed class RedirectFailuresTests
{
    [Fact]
    public void Frames_that_reach_no_socket_are_counted_and_those_of_another_map_are_not()
    {
        using var lab = new XdpLab(queues: 2);
        lab.Here.Inside(() =>
        {
            using Arena arena = Arena.Map(64);
            (OuterProgram program, XdpSocket socket) = XdpLab.Open(arena, 32, arena.Rent(32)!.Receiving);
            using (program)
            using (socket)
            using (RedirectFailures failures = RedirectFailures.Watch(program.Sockets))
            using (RedirectFailures others = RedirectFailures.Watch(program.Drops))
            {
                Assert.Null(failures.Problem);

                // The second queue's frames go to the first queue's socket, which takes none of them (xsk_rcv_check: EINVAL).
                Assert.Equal(0, program.Bind(1, socket.Descriptor));
                var to = IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}");
                int sent = 0;
                for (; sent < 30 && failures.Read() == 0; sent++)
                {
                    // The sender's device spreads flows over queues.
                    using Socket peer = lab.Peer(new IPEndPoint(IPAddress.Parse("10.9.0.2"), 4000 + sent));
                    peer.SendTo(new byte[32], to);
                    Thread.Sleep(20);
                }

                Assert.InRange(failures.Read(), 1, sent);
                Assert.Equal(0, others.Read());
                Assert.Equal(0ul, socket.ReadStatistics().rx_dropped);
            }
        });
    }
}
