using TunnelBox.DataPath.Tests.Flows;
using Xunit.Abstractions;

namespace TunnelBox.DataPath.Tests;

/// <summary>Workers that open bursts for each other: no packet of an inner flow overtakes another, and nothing is lost.</summary>
public sealed class WorkerTeamTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void A_million_packets_keep_their_order_within_each_inner_flow_across_new_sessions_and_rules(int workers) => Run(1_000_008, workers, 60);

    [Fact]
    [Trait("Tier", "all")]
    public void Ten_million_packets_keep_their_order_within_each_inner_flow_across_new_sessions_and_rules() => Run(10_000_008, 3, 300);

    [Fact]
    public void Sharing_allocates_nothing_over_a_million_packets()
    {
        FlowResult result = FlowRun.Run(1_000_008, 3, TimeSpan.FromSeconds(60), changes: false);
        output.WriteLine(result.ToString());
        AssertInOrder(result);

        // Who drops for the first time makes the counters of it.
        Assert.InRange(result.Allocated, 0, result.Dropped == 0 ? 0 : 16_384);
    }

    [Fact]
    public void Who_falls_asleep_is_called_and_who_was_offered_something_meanwhile_stays_awake()
    {
        var team = new WorkerTeam();
        using var firstWake = new WakeEvent();
        using var secondWake = new WakeEvent();
        using WorkerTeam.Member first = team.Join(firstWake);
        using WorkerTeam.Member second = team.Join(secondWake);
        Assert.False(first.HasHelp);
        Assert.True(second.FallAsleep());
        Assert.True(first.HasHelp);
        first.Ring.Offer();
        first.CallHelp();
        Assert.False(IsReadable(secondWake));
        first.Ring.Offer();
        first.CallHelp();
        Assert.True(IsReadable(secondWake));
        Assert.False(second.FallAsleep());
        Assert.NotNull(second.Take());
        Assert.NotNull(second.Take());
        Assert.Null(second.Take());
        Assert.True(second.FallAsleep());
    }

    private static unsafe bool IsReadable(WakeEvent wake)
    {
        Linux.Libc.pollfd polled = new() { fd = wake.Descriptor, events = Linux.Libc.Definitions.POLLIN };
        Linux.Libc.timespec now = default;
        return Linux.Libc.LibC.ppoll(&polled, 1, &now) > 0;
    }

    private void Run(long packets, int workers, int seconds)
    {
        FlowResult result = FlowRun.Run(packets, workers, TimeSpan.FromSeconds(seconds));
        output.WriteLine(result.ToString());
        Assert.Equal(packets, result.Sent);
        AssertInOrder(result);
        Assert.True(result.Rekeys > 2 && result.Changes > 20, result.ToString());
    }

    private static void AssertInOrder(FlowResult result)
    {
        Assert.Equal(0, result.Reordered);

        // A thread that loses its processor for long may seal for a session that is over when its packets come, or come too late for the replay window; keepalives
        // are dropped so, too.
        Assert.InRange(result.Arrived + result.Dropped, result.Sent, result.Sent + 1000);
        Assert.InRange(result.Dropped, 0, result.Sent / 50);
        Assert.True(result.Helped > 0 && result.Shared >= result.Helped, result.ToString());
    }
}
