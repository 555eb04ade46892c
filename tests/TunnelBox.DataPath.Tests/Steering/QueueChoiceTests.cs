using TunnelBox.DataPath.Steering;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>The queue of a peer is one that its owner serves.</summary>
public sealed class QueueChoiceTests : TwoNodes
{
    [Theory]
    [InlineData(4, 1)]
    [InlineData(4, 2)]
    [InlineData(5, 3)]
    [InlineData(2, 2)]
    public void It_is_one_that_the_owner_serves_whoever_that_is(int queues, int workers)
    {
        Join(null);
        Peer peer = B.PeerOf(A);
        var choice = new QueueChoice(queues, new Ownership(workers, B.Tunnel.Now));
        for (int owner = 0; owner < workers; owner++)
        {
            peer.Owner = owner;
            ushort queue = choice.Of(peer);
            Assert.InRange(queue, 0, queues - 1);
            Assert.Equal(owner, queue % workers);
        }
    }

    [Fact]
    public void An_owner_without_a_queue_has_any()
    {
        Join(null);
        Peer peer = B.PeerOf(A);
        peer.Owner = 3;
        Assert.InRange(new QueueChoice(2, new Ownership(4, B.Tunnel.Now)).Of(peer), 0, 1);
        Assert.Equal(SessionRules.MarkOf(peer) % 4, new QueueChoice(4, null).Of(peer));
    }
}
