using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Tunnels with several workers: what a session brings in goes to the worker that owns its peer.</summary>
public class OwnerTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Traffic_passes_and_its_owner_receives_all_of_it(bool xdp)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions
        {
            FirstXdp = xdp,
            SecondXdp = xdp,
            Settings = new Dictionary<string, string?> { ["TUNNELBOX__Workers"] = "3" },
        });
        await pair.ExpectPingsAsync();
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, 8 << 20);
        foreach (TunnelEnd end in new[] { pair.First, pair.Second })
        {
            // The only peer is the first worker's. What of a handshake names no session yet may come by any.
            Dictionary<string, long> counts = await XdpSide.StatAsync(end);
            Assert.InRange(counts["tb-worker-0.OuterReceivedPackets"], 1000, long.MaxValue);
            Assert.InRange(counts.GetValueOrDefault("tb-worker-1.OuterReceivedPackets") + counts.GetValueOrDefault("tb-worker-2.OuterReceivedPackets"), 0, 20);
            string status = (await end.Space.RunAsync([TunnelProgram.Tunnelctl, "status", end.Interface])).Output;
            Assert.Contains("3 workers", status, StringComparison.Ordinal);
            Assert.Matches(@"worker 0 +on any CPU, owns 1 peer, opened [0-9]+ bursts? for others, offered [0-9]+ bursts?\n", status);
            Assert.Matches(@"worker 2 +on any CPU, owns 0 peers, ", status);
            Assert.DoesNotContain("own hashes", status, StringComparison.Ordinal);
            string rules = (await end.Space.RunAsync([TunnelProgram.Tunnelctl, "steer", end.Interface, "--json"])).Output;
            Assert.Matches("\"worker\": ?0", rules);
        }
    }
}
