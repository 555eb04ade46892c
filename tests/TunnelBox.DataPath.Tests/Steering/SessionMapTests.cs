using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>The map of receiver indices in the kernel.</summary>
[Trait("Needs", "root")]
public sealed class SessionMapTests : IDisposable
{
    private const int Room = 262_144;
    private readonly BpfObject _loaded = BpfObject.Load(File.ReadAllBytes(Path.Combine(NativeFolder.Path, "outer.bpf.o")), "outer", 0, out _)!;

    public void Dispose() => _loaded.Dispose();

    [Fact]
    public void What_is_ordered_stands_there_and_goes_again_and_a_full_map_says_so()
    {
        var map = new SessionMap(_loaded.Map("sessions"));
        SteeringAnswer[] answers = Order(map, 1, Room + 3, isRemoval: false);
        Assert.Equal(Room, answers.Count(answer => answer.Error == 0));
        Assert.Equal(3, answers.Count(answer => answer.Error == -Definitions.E2BIG));
        List<HeldRule> held = [];
        Assert.Equal(0, map.Dump(held));
        Assert.Equal(Room, held.Count);
        Assert.Equal(Room, held.DistinctBy(each => each.Rule.Match).Count());
        Assert.All(held.Take(1000), each => Assert.Equal(each.Rule.Match * 7, each.Rule.Mark));

        // Those that were never there are as good as removed.
        Assert.All(Order(map, 1, Room + 3, isRemoval: true), answer => Assert.Equal(0, answer.Error));
        held.Clear();
        Assert.Equal(0, map.Dump(held));
        Assert.Empty(held);
    }

    private static SteeringAnswer[] Order(SessionMap map, uint first, int count, bool isRemoval)
    {
        SteeringOrder[] orders =
        [
            .. Enumerable.Range((int)first, count).Select(match =>
                new SteeringOrder(match, new SteeringRule((uint)match, (uint)match * 7, SteeringRule.Any, SteeringRule.Any), isRemoval)),
        ];
        map.Submit(orders);
        var answers = new SteeringAnswer[count + 1];
        Assert.Equal(count, map.Collect(answers));
        Assert.Equal(orders.Select(order => order.Number), answers[..count].Select(answer => answer.Number));
        return answers[..count];
    }
}
