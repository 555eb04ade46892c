using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The setting <c>Steering=hw</c> where no card carries out rules: the tunnel works without, and everything that can be asked says so and why.</summary>
public class SteeringTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const int Count = 1000;
    private const int Rate = 2000;

    private static readonly Dictionary<string, string?> s_hardware = new() { ["TUNNELBOX__STEERING"] = "hw", ["LOG_LEVEL"] = "verbose" };

    [Fact]
    public async Task Rules_in_a_card_fall_back_to_the_map_on_a_veth_and_say_why()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true, Settings = s_hardware });
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        await pair.ExpectPingsAsync();
        await ExpectFallBackAsync(pair, $"map alone: {pair.FirstLink} has one receive queue, so there is nothing to steer");

        // With several queues a rule could matter, so each backend is tried for real and refuses.
        await pair.First.Space.RunAsync("ethtool", "-L", pair.FirstLink, "rx", "2", "tx", "2");
        await Eventually.TrueWithinAsync(TimeSpan.FromSeconds(5), async () => (await XdpSide.QueuesAsync(pair.First)).Length == 2, "the new queue is not bound");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));
        await ExpectFallBackAsync(pair, $"map alone: {pair.FirstLink} carries out no rules (n-tuple: ");
        string steer = await SteerAsync(pair.First);
        Assert.Matches(@"\(n-tuple: [^;]+; tc flower: [^;]+; tc u32: [^)]+\)", steer);
        Assert.Contains("map: holds every rule", steer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_device_on_AF_XDP_it_says_that_too()
    {
        Dictionary<string, string?> settings = new(s_hardware) { ["TUNNELBOX__WORKERS"] = "2" };
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Settings = settings });
        await pair.ExpectPingsAsync();
        const string Why = "map alone, since cards are steered where the outer side is on AF_XDP";
        Assert.Contains(Why, await SteerAsync(pair.First), StringComparison.Ordinal);
        Assert.Contains(Why, await DoctorAsync(pair.First), StringComparison.Ordinal);
    }

    private static async Task<string> SteerAsync(TunnelEnd end) => (await end.Space.RunAsync([TunnelProgram.Tunnelctl, "steer", end.Interface])).Output;

    private static async Task<string> DoctorAsync(TunnelEnd end)
    {
        Finding finding = Assert.Single((await Diagnosis.OfAsync(end, "steering")).Findings);
        Assert.Equal("warn", finding.Status);
        return finding.Message;
    }

    private async Task ExpectFallBackAsync(TunnelPair pair, string why)
    {
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(0);
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, Count, Rate, 500)).Expect(0);
        string told = $"Steering on {pair.FirstLink} is {why}";
        Assert.Contains(told, await XdpSide.TextAsync(pair.First), StringComparison.Ordinal);
        await pair.First.Daemon.WaitForOutputAsync(told, Lab.Deadline);
        Assert.Contains($"steering hw; {why}", await SteerAsync(pair.First), StringComparison.Ordinal);
        Assert.Contains($"The setting Steering asks for rules in the card, which has none ({why}", await DoctorAsync(pair.First), StringComparison.Ordinal);
    }
}
