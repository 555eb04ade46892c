using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

public class QueueMapTests
{
    [Fact]
    public void Queues_are_whose_the_list_says_and_beyond_it_the_workers_take_turns()
    {
        var map = new QueueMap(3, [2, 2]);
        Assert.Equal([2, 2, 2, 0, 1, 2], Enumerable.Range(0, 6).Select(map.WorkerOf));
        Assert.Equal([0, 1, 2, 0], Enumerable.Range(0, 4).Select(new QueueMap(3, []).WorkerOf));
        Assert.Equal(3, map.Workers);
    }
}
