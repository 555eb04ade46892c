using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Service.Tests;

public sealed class ReasonAgesTests
{
    [Fact]
    public void A_reason_is_as_old_as_the_look_that_found_it_grown()
    {
        Counters counters = new();
        CounterBlock block = counters.AddBlock("one");
        ReasonAges ages = new();
        ages.Look(counters.Read(), 1 * Limits.Second);
        Assert.Null(ages.Of(DropReason.InHandshakeMac1, 2 * Limits.Second));

        block.CountDrop(DropReason.InHandshakeMac1, 1, 148);
        ages.Look(counters.Read(), 3 * Limits.Second);
        ages.Look(counters.Read(), 4 * Limits.Second);
        Assert.Equal(2 * Limits.Second, ages.Of(DropReason.InHandshakeMac1, 5 * Limits.Second));
        Assert.Null(ages.Of(DropReason.OutNoStates, 5 * Limits.Second));

        block.CountDrop(DropReason.InHandshakeMac1, 1, 148);
        ages.Look(counters.Read(), 6 * Limits.Second);
        Assert.Equal(0, ages.Of(DropReason.InHandshakeMac1, 6 * Limits.Second));
    }
}
