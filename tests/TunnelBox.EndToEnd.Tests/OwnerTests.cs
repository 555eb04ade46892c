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
            Assert.Matches(@"worker 0 +on any CPU, owns 1 peer \([0-9]+ packets/s\), opened [0-9]+ bursts? for others, offered [0-9]+ bursts?\n", status);
            Assert.Matches(@"worker 2 +on any CPU, owns 0 peers \(0 packets/s\), ", status);
            Assert.DoesNotContain("own hashes", status, StringComparison.Ordinal);
            string rules = (await end.Space.RunAsync([TunnelProgram.Tunnelctl, "steer", end.Interface, "--json"])).Output;
            Assert.Matches("\"worker\": ?0", rules);
        }
    }

    [Fact]
    public async Task A_queue_map_says_whose_each_queue_is()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions
        {
            FirstXdp = true,
            SecondXdp = true,
            Settings = new Dictionary<string, string?> { ["TUNNELBOX__Workers"] = "2", ["TUNNELBOX__QueueMap"] = "1,1,1,1" },
        });
        await pair.ExpectPingsAsync();
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 8 << 20);
        string status = (await pair.First.Space.RunAsync([TunnelProgram.Tunnelctl, "status", pair.First.Interface])).Output;
        Assert.Matches(@"queue 0 +[a-z-]+, worker 1, ", status);

        // The only peer is still the first worker's, which has a socket on that queue, too.
        Assert.InRange((await XdpSide.StatAsync(pair.Second))["tb-worker-0.OuterReceivedPackets"], 1000, long.MaxValue);
    }

    [Fact]
    public async Task A_process_that_takes_over_sends_datagrams_to_their_owners_again()
    {
        Dictionary<string, string?> workers = new() { ["TUNNELBOX__Workers"] = "4" };
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Settings = workers });
        await pair.ExpectPingsAsync();
        TunnelEnd end = pair.First;
        RunningProcess old = end.Daemon;
        workers["LOG_LEVEL"] = "verbose";
        RunningProcess next = await end.Space.StartAsync([end.Program.Path, "-f", "--take-over", end.Interface], workers);
        await next.WaitForOutputAsync("is up.", Lab.Deadline);
        Assert.Equal(0, (await old.WaitAsync(Lab.Deadline)).ExitCode);

        // The sockets stand in the old process's map until the kernel has let go of its program.
        await next.WaitForOutputAsync("go to the workers that own their sessions", Lab.Deadline);
        Dictionary<string, long> before = await XdpSide.StatAsync(end);
        PingResult pings = await Ping.RunAsync(pair.Second.Inner, TunnelPair.First4, "-i 0.002 -c 500 -W 2");
        Assert.Equal(500, pings.Received);
        Dictionary<string, long> after = await XdpSide.StatAsync(end);
        long[] received = [.. Enumerable.Range(0, 4).Select(worker => $"tb-worker-{worker}.OuterReceivedPackets").Select(name => after.GetValueOrDefault(name) - before.GetValueOrDefault(name))];
        Assert.InRange(received.Max(), 500, 600);
        Assert.InRange(received.Sum() - received.Max(), 0, 5);
        await next.SignalAsync("TERM");
        Assert.Equal(0, (await next.WaitAsync(Lab.Deadline)).ExitCode);
    }
}
