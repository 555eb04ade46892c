using System.Text.Json;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>A peer's health on real tunnels: each fault is made for real, seen in <c>status</c> and told by <c>monitor</c>, and goes when the fault goes.</summary>
[Trait("Load", "light")]
public class HealthTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Fact]
    public async Task A_peer_that_no_longer_answers_is_stalled_although_its_handshake_is_young()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        Assert.Equal("well", await HealthAsync(pair.First));
        RunningProcess monitor = await pair.First.Space.StartAsync([TunnelProgram.Tunnelctl, "monitor", pair.First.Interface]);
        await monitor.WaitForOutputAsync("watching", Lab.Deadline);

        await pair.Second.Space.IpAsync($"link set {pair.SecondLink} down");
        await pair.First.Space.StartAsync(["ping", "-i", "0.5", TunnelPair.Second4]);
        await BecomesAsync(pair.First, "stalled");
        Assert.InRange((DateTimeOffset.UtcNow.ToUnixTimeSeconds() - (await pair.First.PeerAsync(pair.Second)).LatestHandshake), 0, 40);
        await monitor.WaitForOutputAsync("stalled: nothing came back for", Lab.Deadline);
        Assert.Contains("health    stalled: nothing came back for", (await pair.First.Space.RunAsync(TunnelProgram.Tunnelctl, "status")).Output, StringComparison.Ordinal);

        await pair.Second.Space.IpAsync($"link set {pair.SecondLink} up");
        await BecomesAsync(pair.First, "well");
        await monitor.WaitForOutputAsync("well", Lab.Deadline);
    }

    [Fact]
    public async Task A_peer_that_our_answers_do_not_reach_is_called_unheard()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.First.Space.NftAsync("table ip f { chain input { type filter hook input priority 0; udp sport 51821 drop; }; }");
        await pair.First.Space.StartAsync(["ping", "-i", "0.5", TunnelPair.Second4]);
        await BecomesAsync(pair.Second, "unheard");
        Assert.Equal("stalled", await HealthAsync(pair.First));

        await pair.First.Space.NftAsync("flush ruleset");
        await BecomesAsync(pair.Second, "well");
        Assert.Equal("well", await HealthAsync(pair.First));
    }

    [Fact]
    public async Task A_storm_of_replays_is_told_from_the_packets_themselves()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        Capture outside = await Capture.StartAsync(Lab, pair.First.Space, pair.FirstLink, "udp", 2000);
        await Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, "-c 40 -i 0.01");
        await Task.Delay(300, Lab.Deadline);
        await outside.StopAsync();
        Assert.Equal("well", await HealthAsync(pair.Second));
        for (int i = 0; i < 4; i++)
        {
            await pair.First.Space.RunAsync([.. Agent.Command, "replay", TunnelPair.SecondOuter4, TunnelPair.SecondPort.ToString(), outside.Path]);
        }

        await BecomesAsync(pair.Second, "replays");
        await BecomesAsync(pair.Second, "well");
    }

    private async Task BecomesAsync(TunnelEnd end, string health)
    {
        string last = string.Empty;
        await Eventually.TrueAsync(async () => (last = await HealthAsync(end)) == health, () => $"the peer is called {last}, not {health}", Lab.Deadline);
    }

    private static async Task<string> HealthAsync(TunnelEnd end)
    {
        using JsonDocument document = JsonDocument.Parse((await end.Space.RunAsync(TunnelProgram.Tunnelctl, "status", end.Interface, "--json")).Output);
        return document.RootElement.GetProperty("interfaces")[0].GetProperty("peers")[0].GetProperty("health").GetString()!;
    }
}
