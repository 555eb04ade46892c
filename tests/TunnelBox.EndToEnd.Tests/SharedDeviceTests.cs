using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Several tunnels of one process, their outer sides on one device over AF_XDP.</summary>
public class SharedDeviceTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const int Count = 3000;
    private const int Rate = 2000;

    [Fact]
    public async Task Two_tunnels_share_a_device_and_one_that_goes_and_comes_back_is_not_noticed_by_the_other()
    {
        (TunnelEnd[] ends, TunnelEnd[] peers, string link) = await BuildAsync();
        NetworkNamespace left = ends[0].Space;
        foreach (TunnelEnd end in ends)
        {
            await XdpSide.ExpectAsync(end, $"xdp:{link}");
        }

        for (int i = 0; i < 2; i++)
        {
            await Ping.ExpectAsync(ends[i].Inner, Inner(i, 2));
            await Ping.ExpectAsync(peers[i].Inner, Inner(i, 1));
        }

        await Transfer.ExpectTcpAsync(Lab, ends[0].Inner, peers[0].Inner, Inner(0, 2), 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, peers[1].Inner, ends[1].Inner, Inner(1, 1), 8 << 20);
        Assert.All(await Task.WhenAll(ends.Select(XdpSide.TextAsync)), status => Assert.Contains($"Steering on {link} is map: the XDP program knows the sessions", status, StringComparison.Ordinal));
        await ExpectDroppedEarlyAsync(ends, peers[0].Space);

        // Traffic of both at the same time; one of them goes and comes back meanwhile.
        Task<DatagramCount>[] other = [FlowAsync(ends[1], peers[1], Inner(1, 2)), FlowAsync(peers[1], ends[1], Inner(1, 1))];
        (await Transfer.UdpAsync(Lab, peers[0].Inner, ends[0].Inner, Inner(0, 1), Count / 4, Rate, 500)).Expect(0);
        await left.IpAsync($"link set {ends[0].Interface} down");
        await Eventually.TrueAsync(
            async () => (await XdpSide.QueuesAsync(ends[0])).Length == 0, static () => "the tunnel that is down still has queues", Lab.Deadline);
        await left.IpAsync($"link set {ends[0].Interface} up");
        await XdpSide.ExpectAsync(ends[0], $"xdp:{link}");
        foreach (Task<DatagramCount> flow in other)
        {
            (await flow).Expect(0);
        }

        await Ping.UntilAnsweredAsync(ends[0].Inner, Inner(0, 2), TimeSpan.FromSeconds(10));
        foreach (TunnelEnd end in ends)
        {
            await XdpSide.ExpectFramesHomeAsync(end);
            Dictionary<string, long> counts = await XdpSide.StatAsync(end);
            Assert.All(counts.Where(c => c.Key.Contains("Xdp", StringComparison.Ordinal)), c => Assert.True(c.Value == 0, c.ToString()));
            Assert.InRange(counts["tb-worker-0.OuterReceivedPackets"], 1, long.MaxValue);
        }
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_tunnel_that_is_removed_ends_alone_and_the_process_with_the_last()
    {
        (TunnelEnd[] ends, TunnelEnd[] peers, string link) = await BuildAsync();
        await Ping.ExpectAsync(ends[0].Inner, Inner(0, 2));
        await Ping.ExpectAsync(ends[1].Inner, Inner(1, 2));
        Task<DatagramCount>[] other = [FlowAsync(ends[1], peers[1], Inner(1, 2)), FlowAsync(peers[1], ends[1], Inner(1, 1))];
        await ends[0].Space.IpAsync($"link delete {ends[0].Interface}");
        await Eventually.TrueAsync(() => Task.FromResult(!TunnelEnd.Answers(ends[0].Socket)), static () => "its socket still answers", Lab.Deadline);
        foreach (Task<DatagramCount> flow in other)
        {
            (await flow).Expect(0);
        }

        await XdpSide.ExpectAsync(ends[1], $"xdp:{link}");
        await XdpSide.ExpectFramesHomeAsync(ends[1]);
        File.Delete(ends[1].Socket);
        Assert.Equal(0, (await ends[1].EndedAsync(TimeSpan.FromSeconds(15))).ExitCode);
        Assert.DoesNotContain("xdp", (await ends[1].Space.RunAsync("ip", "link", "show", link)).Output, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_process_that_is_killed_leaves_nothing_attached()
    {
        (TunnelEnd[] ends, _, string link) = await BuildAsync();
        await Ping.ExpectAsync(ends[0].Inner, Inner(0, 2));
        await Ping.ExpectAsync(ends[1].Inner, Inner(1, 2));
        Assert.Contains("prog/xdp", (await ends[0].Space.RunAsync("ip", "link", "show", link)).Output, StringComparison.Ordinal);
        await ends[0].Daemon.SignalAsync("KILL");
        await ends[0].EndedAsync(TimeSpan.FromSeconds(10));
        await Eventually.TrueAsync(
            async () => !(await ends[0].Space.RunAsync("ip", "link", "show", link)).Output.Contains("xdp", StringComparison.Ordinal),
            static () => "the program is still attached", Lab.Deadline);
        Assert.False(await ends[0].Space.HasLinkAsync(ends[0].Interface));
        Assert.False(await ends[0].Space.HasLinkAsync(ends[1].Interface));
    }

    [Fact]
    public async Task Where_one_cannot_start_none_stays_and_the_sentence_names_it()
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        (string first, string taken) = (Names.Next(), Names.Next());
        Lab.OwnInterface(first);
        await space.IpAsync($"link add {taken} type veth peer name {Names.Next()}");
        CommandResult result = await space.TryAsync([TunnelProgram.Default.Path, "-f", first, taken]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"tunnelbox: {taken}: ", result.Error, StringComparison.Ordinal);
        Assert.False(await space.HasLinkAsync(first));
        Assert.False(File.Exists($"/var/run/wireguard/{first}.sock"));

        // In the background the caller hears the same.
        result = await space.TryAsync([TunnelProgram.Default.Path, first, taken]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"tunnelbox: {taken}: ", result.Error, StringComparison.Ordinal);
        Assert.False(await space.HasLinkAsync(first));
    }

    // What is nobody's in one tunnel is dropped for it alone, and no worker sees it.
    private async Task ExpectDroppedEarlyAsync(TunnelEnd[] ends, NetworkNamespace from)
    {
        string flood = Lab.WriteFile("unknown.py", $$"""
            import random, socket, struct, sys, time
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("{{TunnelPair.FirstOuter4}}", int(sys.argv[1])))
            for n in range(1000):
                s.send(struct.pack("<IIQ", 4, random.getrandbits(32), 0) + bytes(48))
                if n % 50 == 49:
                    time.sleep(0.005)
            """);
        for (int i = 0; i < 2; i++)
        {
            Dictionary<string, long>[] before = await Task.WhenAll(ends.Select(XdpSide.StatAsync));
            (await from.TryAsync("python3", flood, $"{51820 + (10 * i)}")).Expect();
            Dictionary<string, long>[] after = before;
            await Eventually.TrueAsync(
                async () => (after = await Task.WhenAll(ends.Select(XdpSide.StatAsync)))[i]["InNoStates"] - before[i]["InNoStates"] == 1000, () => $"{after[i]["InNoStates"]}", Lab.Deadline);
            Assert.Equal(before[1 - i]["InNoStates"], after[1 - i]["InNoStates"]);
            Assert.InRange(after[i]["tb-worker-0.OuterReceivedPackets"] - before[i]["tb-worker-0.OuterReceivedPackets"], 0, 50);
        }
    }

    private static string Inner(int tunnel, int end) => SharedSite.Inner(tunnel, end);

    private Task<DatagramCount> FlowAsync(TunnelEnd from, TunnelEnd to, string address) =>
        Transfer.UdpAsync(Lab, from.Inner, to.Inner, address, Count, Rate / 2, 500);

    private async Task<(TunnelEnd[] Ends, TunnelEnd[] Peers, string Link)> BuildAsync()
    {
        SharedSite site = await SharedSite.BuildAsync(Lab);
        return (site.Ends, site.Peers, site.Link);
    }
}
