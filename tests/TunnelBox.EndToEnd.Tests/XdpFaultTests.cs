using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Faults of an outer side on AF_XDP. After each, the tunnel carries packets without loss and every frame is where it belongs.</summary>
public class XdpFaultTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const int Count = 2000;
    private const int Rate = 2000;

    [Fact]
    public async Task A_daemon_that_stands_still_starves_the_fill_ring_and_what_is_lost_has_a_name()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        await pair.First.Daemon.SignalAsync("STOP");
        await pair.Second.Inner.RunAsync([.. Agent.Command, "udp-send", TunnelPair.First4, "9", "6000", "20000", "100"]);
        await pair.First.Daemon.SignalAsync("CONT");
        await WellAsync(pair);
        Dictionary<string, long> counts = await XdpSide.StatAsync(pair.First);
        Assert.InRange(counts["InXdpNoFrame"], 3000, 6000);
    }

    [Fact]
    public async Task Queues_that_are_switched_on_are_bound_and_the_kernel_keeps_those_that_are()
    {
        NetworkNamespace left = await Lab.NamespaceAsync();
        NetworkNamespace right = await Lab.NamespaceAsync();
        string near = Names.Next();
        string far = Names.Next();
        await Lab.RunAsync(
            "ip", "link", "add", near, "netns", left.Name, "numrxqueues", "4", "numtxqueues", "4", "type", "veth",
            "peer", "name", far, "netns", right.Name, "numrxqueues", "4", "numtxqueues", "4");
        await left.RunAsync("ethtool", "-L", near, "rx", "1", "tx", "1");
        await right.RunAsync("ethtool", "-L", far, "rx", "1", "tx", "1");
        (TunnelEnd first, TunnelEnd second) = await JoinAsync(left, near, right, far, new() { ["TUNNELBOX__OUTERPORT"] = $"xdp:{near}", ["TUNNELBOX__WORKERS"] = "2" });
        await XdpSide.ExpectAsync(first, $"xdp:{near}");
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second4);
        await XdpSide.ExpectFramesHomeAsync(first, queues: 1);
        await left.RunAsync("ethtool", "-L", near, "rx", "4", "tx", "4");
        await right.RunAsync("ethtool", "-L", far, "rx", "4", "tx", "4");
        await Eventually.TrueWithinAsync(TimeSpan.FromSeconds(5), async () => (await XdpSide.QueuesAsync(first)).Length == 4, "the new queues are not bound");
        await Ping.UntilAnsweredAsync(first.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));
        (await Transfer.UdpAsync(Lab, second.Inner, first.Inner, TunnelPair.First4, Count, Rate, 500)).Expect(0);
        await XdpSide.ExpectFramesHomeAsync(first, queues: 4);
        Assert.Equal([0, 1, 0, 1], (await XdpSide.QueuesAsync(first)).Select(queue => queue.GetProperty("worker").GetInt32()));

        CommandResult fewer = await left.TryAsync("ethtool", "-L", near, "rx", "2", "tx", "2");
        Assert.NotEqual(0, fewer.ExitCode);
        Assert.Contains("AF_XDP", fewer.Error, StringComparison.Ordinal);
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second4);
        await first.ExpectAliveAsync();
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_device_that_transmits_too_slowly_fills_the_ring_for_seconds_and_loses_no_frame()
    {
        (TunnelEnd first, TunnelEnd second, string lower, string device) = await SlowAsync();
        await first.Space.RunAsync("tc", "qdisc", "add", "dev", lower, "root", "tbf", "rate", "8mbit", "burst", "3000", "limit", "30m");
        DatagramCount flood = await Transfer.UdpAsync(Lab, first.Inner, second.Inner, TunnelPair.Second4, 6000, 3000, 1372);
        Assert.True(flood.Corrupt == 0, flood.ToString());
        await first.Space.RunAsync("tc", "qdisc", "del", "dev", lower, "root");
        await XdpSide.ExpectAsync(first, $"xdp:{device}", mode: "generic");
        (await Transfer.UdpAsync(Lab, first.Inner, second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(0);

        // The other end sends several at once, which the kernel leaves together on the way to a generic device, small ones in one frame of ordinary size.
        (await Transfer.UdpAsync(Lab, second.Inner, first.Inner, TunnelPair.First4, Count, Rate, 500)).Expect(0);
        await XdpSide.ExpectFramesHomeAsync(first);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_device_that_transmits_nothing_for_seconds_is_left_to_the_sockets_and_taken_again()
    {
        (TunnelEnd first, TunnelEnd second, string lower, string device) = await SlowAsync();
        RunningProcess monitor = await first.Space.StartAsync([TunnelProgram.Tunnelctl, "monitor", first.Interface]);
        await monitor.WaitForOutputAsync("watching", Lab.Deadline);
        await first.Space.RunAsync("tc", "qdisc", "add", "dev", lower, "root", "tbf", "rate", "1kbit", "burst", "2000", "limit", "30m");
        await Transfer.UdpAsync(Lab, first.Inner, second.Inner, TunnelPair.Second4, 4000, 4000, 1372);
        await XdpSide.ExpectAsync(first, "udp", seconds: 10);
        string reason = $"no XDP on {device} for now: queue 0 has transmitted nothing for 3 s while [0-9]+ frames wait; the UDP port carries the tunnel";
        Assert.Matches(reason, await XdpSide.TextAsync(first));
        Assert.Matches(reason, first.Daemon.Error + first.Daemon.Output);
        Assert.Matches($"port_change {reason}", monitor.Output);

        await first.Space.RunAsync("tc", "qdisc", "del", "dev", lower, "root");
        await Ping.UntilAnsweredAsync(first.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));
        await XdpSide.ExpectAsync(first, $"xdp:{device}", seconds: 25, mode: "generic");
        (await Transfer.UdpAsync(Lab, first.Inner, second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(0);
        await XdpSide.ExpectFramesHomeAsync(first);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_link_that_goes_down_and_up_under_traffic_leaves_no_frame_behind()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        Task<DatagramCount> there = Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 8000, 2000, 1000);
        Task<DatagramCount> back = Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, 8000, 2000, 1000);
        for (int round = 0; round < 4; round++)
        {
            TunnelEnd end = round % 2 == 0 ? pair.First : pair.Second;
            string link = round % 2 == 0 ? pair.FirstLink : pair.SecondLink;
            await Task.Delay(300, Lab.Deadline);
            await end.Space.IpAsync($"link set {link} down");
            await Task.Delay(300, Lab.Deadline);
            await end.Space.IpAsync($"link set {link} up");
        }

        Assert.InRange((await there).Received, 1000, 7999);
        Assert.InRange((await back).Received, 1000, 7999);
        await WellAsync(pair);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_peer_whose_Ethernet_address_changes_is_followed_as_soon_as_it_says_so()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        await pair.Second.Space.SysctlAsync("net.ipv4.conf.all.arp_notify=1");
        await pair.Second.Space.SysctlAsync($"net.ipv4.conf.{pair.SecondLink}.arp_notify=1");
        // The kernel believes a new address once the old one is a second old.
        await Task.Delay(1500, Lab.Deadline);
        await pair.Second.Space.IpAsync($"link set {pair.SecondLink} address 02:00:00:00:77:09");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(2));
        await WellAsync(pair);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_default_route_that_moves_to_another_device_and_back_is_followed()
    {
        (TunnelPair pair, string second) = await BehindDefaultRouteAsync();
        NetworkNamespace left = pair.First.Space;
        foreach (string via in new[] { $"10.78.0.2 dev {second}", $"{TunnelPair.SecondOuter4} dev {pair.FirstLink}" })
        {
            await left.IpAsync($"route replace default via {via}");
            await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(2));
            await WellAsync(pair);
        }
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_device_whose_MTU_changes_carries_everything_at_each_size()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        foreach (int mtu in new[] { 1280, 1400, 1500 })
        {
            await pair.First.Space.IpAsync($"link set {pair.FirstLink} mtu {mtu}");
            await pair.Second.Space.IpAsync($"link set {pair.SecondLink} mtu {mtu}");
            await Task.Delay(1000, Lab.Deadline);
            await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4, options: "-s 1392");
            await WellAsync(pair);
        }
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_default_route_that_moves_and_an_MTU_that_changes_under_traffic_lose_little()
    {
        (TunnelPair pair, string second) = await BehindDefaultRouteAsync();
        NetworkNamespace left = pair.First.Space;

        // 4 s of traffic both ways, five changes: a change takes effect within a second, and most in much less.
        Task<DatagramCount> there = Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 8000, 2000, 1372);
        Task<DatagramCount> back = Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, 8000, 2000, 1372);
        await Task.Delay(500, Lab.Deadline);
        foreach (string via in new[] { $"10.78.0.2 dev {second}", $"{TunnelPair.SecondOuter4} dev {pair.FirstLink}" })
        {
            await left.IpAsync($"route replace default via {via}");
            await Task.Delay(500, Lab.Deadline);
        }

        // A device drops what is larger than its own MTU, so both ends are told.
        foreach (int mtu in new[] { 1400, 1280, 1500 })
        {
            await pair.Second.Space.IpAsync($"link set {pair.SecondLink} mtu {mtu}");
            await left.IpAsync($"link set {pair.FirstLink} mtu {mtu}");
            await Task.Delay(500, Lab.Deadline);
        }

        DatagramCount[] counts = [await there, await back];
        Assert.All(counts, count => Assert.True(count.Lost <= 2000 && count.Corrupt == 0, count.ToString()));
        await WellAsync(pair);
    }

    // An endpoint that only the default route leads to, and a second device that it may move to.
    private async Task<(TunnelPair Pair, string SecondDevice)> BehindDefaultRouteAsync()
    {
        const string far = "10.99.0.2";
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        NetworkNamespace left = pair.First.Space;
        NetworkNamespace right = pair.Second.Space;
        (string near, string other) = await NetworkNamespace.ConnectAsync(left, right);
        await left.IpAsync($"address add 10.78.0.1/24 dev {near}");
        await right.IpAsync($"address add 10.78.0.2/24 dev {other}");
        await right.IpAsync($"address add {far}/32 dev lo");
        await left.IpAsync($"route add default via {TunnelPair.SecondOuter4}");
        await pair.First.SetPeerAsync(pair.Second, $"endpoint {far}:{TunnelPair.SecondPort}");
        await pair.ExpectPingsAsync();
        return (pair, near);
    }

    // Both ways without loss, past the kernel, and every frame at home.
    private async Task WellAsync(TunnelPair pair)
    {
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(0);
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, Count, Rate, 500)).Expect(0);
        await pair.First.ExpectAliveAsync();
        await XdpSide.ExpectFramesHomeAsync(pair.First);
    }

    // A device on top of another one, whose queue can be made slow: frames stay under way until that one has taken them.
    private async Task<(TunnelEnd First, TunnelEnd Second, string Lower, string Device)> SlowAsync()
    {
        NetworkNamespace left = await Lab.NamespaceAsync();
        NetworkNamespace right = await Lab.NamespaceAsync();
        (string lower, string far) = await NetworkNamespace.ConnectAsync(left, right);
        string device = Names.Next();
        await left.IpAsync($"link add link {lower} name {device} type macvlan mode private");
        (TunnelEnd first, TunnelEnd second) = await JoinAsync(left, device, right, far, XdpSide.Setting($"xdp:{device}"));
        await XdpSide.ExpectAsync(first, $"xdp:{device}", mode: "generic");
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second4);
        return (first, second, lower, device);
    }

    private async Task<(TunnelEnd First, TunnelEnd Second)> JoinAsync(
        NetworkNamespace left, string near, NetworkNamespace right, string far, Dictionary<string, string?> settings)
    {
        await left.IpAsync($"address add {TunnelPair.FirstOuter4}/24 dev {near}");
        await right.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {far}");
        await left.IpAsync($"link set {near} up");
        await right.IpAsync($"link set {far} up");
        TunnelEnd first = await TunnelEnd.StartAsync(Lab, left, settings: settings);
        TunnelEnd second = await TunnelEnd.StartAsync(Lab, right);
        await first.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24");
        await second.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24");
        await first.SetPeerAsync(second, $"allowed-ips {TunnelPair.Second4}/32 endpoint {TunnelPair.SecondOuter4}:{TunnelPair.SecondPort}");
        await second.SetPeerAsync(first, $"allowed-ips {TunnelPair.First4}/32 endpoint {TunnelPair.FirstOuter4}:{TunnelPair.FirstPort}");
        return (first, second);
    }
}
