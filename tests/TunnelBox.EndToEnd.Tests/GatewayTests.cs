using System.Globalization;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>
/// Two local networks joined by a tunnel: host – gateway – gateway – host, each a namespace. The first gateway's inner and outer sides
/// are on AF_XDP.
/// </summary>
public class GatewayTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const string HostA4 = GatewaySite.HostA4, HostA6 = GatewaySite.HostA6, GateA4 = GatewaySite.GateA4, HostB4 = GatewaySite.HostB4, HostB6 = GatewaySite.HostB6;
    private const string TunnelB4 = GatewaySite.TunnelB4, TunnelB6 = GatewaySite.TunnelB6;
    private const int Mtu = GatewaySite.Mtu;
    private const int Count = 2000;
    private const int Rate = 2000;

    [Theory]
    [InlineData("xdp")]
    [InlineData("wireguard-go")]
    public async Task Two_networks_meet_past_the_kernel(string other)
    {
        GatewaySite site = await BuildAsync(other);
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));
        await Ping.UntilAnsweredAsync(site.HostA, HostB6, TimeSpan.FromSeconds(5));
        await Ping.ExpectAsync(site.HostB, HostA4);
        await Ping.ExpectAsync(site.HostB, HostA6);

        long before = await ForwardedAsync(site.A.Space);
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB4, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA4, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB6, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA6, 8 << 20);
        int mayBeLost = other == "xdp" ? 0 : 15;
        (await Transfer.UdpAsync(Lab, site.HostA, site.HostB, HostB4, Count, Rate, 1392)).Expect(mayBeLost);
        (await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA6, Count, Rate, 33)).Expect(mayBeLost);
        Assert.InRange(await ForwardedAsync(site.A.Space) - before, 0, 100);
        Iperf3Result tcp = await Iperf3.RunAsync(Lab, site.HostA, site.HostB, HostB4, "-t 1");
        Assert.InRange(tcp.ReceivedBytes, 1 << 20, long.MaxValue);

        // Every router on the way tells when hops are used up, and how much goes through.
        await ExpectWordAsync(site.HostA, $"-t 1 {HostB4}", $"From {GateA4} icmp_seq=1 Time to live exceeded");
        await ExpectWordAsync(site.HostA, $"-t 1 {HostB6}", "From fd01::1 icmp_seq=1 Time exceeded: Hop limit");
        await ExpectWordAsync(site.HostA, $"-t 2 {HostB4}", $"From {TunnelB4} icmp_seq=1 Time to live exceeded");
        await ExpectWordAsync(site.HostA, $"-t 2 {HostB6}", $"From {TunnelB6} icmp_seq=1 Time exceeded: Hop limit");
        await ExpectWordAsync(site.HostA, $"-M do -s 1472 {HostB4}", $"mtu = {Mtu}");
        await ExpectWordAsync(site.HostA, $"-M do -s 1452 {HostB6}", $"mtu={Mtu}", "mtu = 1420");

        // What may be broken up is broken up by the kernel.
        await Ping.ExpectAsync(site.HostA, HostB4, options: "-M dont -s 1472");
        await Ping.ExpectAsync(site.HostA, HostB4, options: "-M dont -s 4000");

        // The gateway itself talks through the TUN device.
        await Ping.ExpectAsync(site.A.Space, HostB4);
        await Ping.ExpectAsync(site.HostB, GateA4);
        string status = await site.StatusAsync();
        Assert.Contains($"Packets between {site.LanA} and the tunnel pass without nftables, conntrack, tc, policy rules and reverse path filters", status, StringComparison.Ordinal);
        Dictionary<string, long> drops = await site.DropsAsync();
        Assert.InRange(drops.GetValueOrDefault("OutHopLimit"), 2, 10);
        Assert.InRange(drops.GetValueOrDefault("OutPacketTooBig"), 2, 1000);
        Assert.All(drops.Where(each => each.Key.Contains("Xdp", StringComparison.Ordinal)), each => Assert.True(each.Value == 0, each.ToString()));
    }

    [Theory]
    [InlineData("xdp")]
    [InlineData("tun")]
    public async Task Networks_with_an_MTU_of_9000_meet_past_the_kernel_in_one_memory(string other)
    {
        // What the tunnel adds to an IPv4 packet is 60 bytes, which the devices between the gateways have to spare.
        const int Large = 9000;
        GatewaySite site = await BuildAsync(other, mtu: Large - 60, deviceMtu: Large);
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));
        await Ping.UntilAnsweredAsync(site.HostA, HostB6, TimeSpan.FromSeconds(5));
        await Ping.ExpectAsync(site.HostA, HostB4, options: "-M do -s 8912");
        long before = await ForwardedAsync(site.A.Space);
        (await Transfer.UdpAsync(Lab, site.HostA, site.HostB, HostB4, Count, Rate, 8900)).Expect(0);
        (await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA6, Count, Rate, 5000)).Expect(0);
        (await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA4, Count, Rate, 300)).Expect(0);
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB4, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA6, 8 << 20);
        Assert.InRange(await ForwardedAsync(site.A.Space) - before, 0, 100);
        string status = await site.StatusAsync();
        Assert.Matches($"Frames of ({site.LanA} and {site.OuterA}|{site.OuterA} and {site.LanA}) lie in one memory of [0-9]+ MiB", status);
        Assert.DoesNotContain("several chunks", status, StringComparison.Ordinal);
        Dictionary<string, long> drops = await site.DropsAsync();
        Assert.All(drops.Where(each => each.Key.Contains("Xdp", StringComparison.Ordinal)), each => Assert.True(each.Value == 0, each.ToString()));
        await XdpSide.ExpectFramesHomeAsync(site.A);
    }

    [Fact]
    public async Task Workers_share_the_flows_that_come_in_by_one_queue()
    {
        const int Workers = 3;
        GatewaySite site = await GatewaySite.BuildAsync(Lab, new GatewayOptions { Workers = Workers });
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));
        await Ping.UntilAnsweredAsync(site.HostA, HostB6, TimeSpan.FromSeconds(5));
        Dictionary<string, long> before = await XdpSide.StatAsync(site.A);
        (await Transfer.UdpAsync(Lab, site.HostA, site.HostB, HostB4, Count, Rate, 1392)).Expect(0);
        (await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA6, Count, Rate, 33)).Expect(0);
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB4, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA6, 8 << 20);
        Iperf3Result many = await Iperf3.RunAsync(Lab, site.HostA, site.HostB, HostB4, "-t 1 -P 24");
        Assert.InRange(many.ReceivedBytes, 1 << 20, long.MaxValue);
        Dictionary<string, long> after = await XdpSide.StatAsync(site.A);
        for (int worker = 0; worker < Workers; worker++)
        {
            string name = $"tb-worker-{worker}.InnerReceivedPackets";
            Assert.True(after.GetValueOrDefault(name) - before.GetValueOrDefault(name) > 20, $"{name}: {after.GetValueOrDefault(name)}");
        }

        // The sender is told, whichever worker the flow's is.
        await ExpectWordAsync(site.HostA, $"-t 1 {HostB4}", $"From {GateA4} icmp_seq=1 Time to live exceeded");
        await ExpectWordAsync(site.HostA, $"-M do -s 1472 {HostB4}", $"mtu = {Mtu}");
        await XdpSide.ExpectFramesHomeAsync(site.A, inner: true);
    }

    [Fact]
    public async Task A_narrower_network_behind_the_other_end_is_told_of()
    {
        GatewaySite site = await BuildAsync("xdp");
        await site.ExpectPortAsync(site.LanA);
        await site.B.Space.IpAsync($"link set {site.LanB} mtu 1300");
        await site.HostB.IpAsync($"link set {site.HostLinkB} mtu 1300");
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));
        await Ping.UntilAnsweredAsync(site.HostA, HostB6, TimeSpan.FromSeconds(5));
        await ExpectWordAsync(site.HostA, $"-M do -s 1380 {HostB4}", "mtu = 1300");
        await ExpectWordAsync(site.HostA, $"-M do -s 1360 {HostB6}", "mtu=1300", "mtu = 1300");
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB4, 4 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA6, 4 << 20);
        await Ping.ExpectAsync(site.HostA, HostB4, options: "-M dont -s 1380");
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task Faults_and_a_firewall_leave_the_networks_joined()
    {
        GatewaySite site = await BuildAsync("xdp");
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));

        // Another network behind the other end.
        await site.HostB.IpAsync($"address add 10.4.0.2/32 dev {site.HostLinkB}");
        await site.B.Space.IpAsync($"route add 10.4.0.0/24 via {HostB4}");
        await site.A.Space.IpAsync($"route add 10.4.0.0/24 dev {site.A.Interface}");
        await Ping.ExpectSilenceAsync(site.HostA, "10.4.0.2");
        await site.A.SetPeerAsync(site.B, $"allowed-ips {TunnelB4}/32,{TunnelB6}/128,10.2.0.0/24,fd02::/64,10.4.0.0/24");
        await Ping.UntilAnsweredAsync(site.HostA, "10.4.0.2", TimeSpan.FromSeconds(5));

        // A firewall may not be gone past: the kernel takes over, and gives back.
        await site.A.Space.NftAsync("table inet guard { chain gate { type filter hook forward priority 0; tcp dport 23 drop; }; }");
        await site.ExpectPortAsync(null);
        Assert.Contains("chain gate of table guard decides on forwarded packets", await site.StatusAsync(), StringComparison.Ordinal);
        await Ping.ExpectAsync(site.HostA, HostB4);
        await site.A.Space.NftAsync("delete table inet guard");
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));

        // Killed, the program is gone with the daemon; started again, it is there again.
        await site.A.Daemon.SignalAsync("KILL");
        await site.A.EndedAsync(TimeSpan.FromSeconds(5));
        await Eventually.TrueAsync(
            async () => !(await site.A.Space.RunAsync("ip", "link", "show", site.LanA)).Output.Contains("xdp", StringComparison.Ordinal),
            static () => "the program is still attached", Lab.Deadline);
        await site.A.RestartAsync();
        await site.JoinAsync();
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(10));

        // The local network's device goes and comes back.
        await site.A.Space.IpAsync($"link del {site.LanA}");
        await site.ExpectPortAsync(null);
        await Lab.RunAsync("ip", "link", "add", site.LanA, "netns", site.A.Space.Name, "type", "veth", "peer", "name", site.HostLinkA, "netns", site.HostA.Name);
        await site.AddressLanAAsync();
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(10));
        (await Transfer.UdpAsync(Lab, site.HostA, site.HostB, HostB4, Count, Rate, 500)).Expect(0);
        Assert.DoesNotContain("frames are under way", site.A.Daemon.Error + site.A.Daemon.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Going_past_a_firewall_is_a_choice_and_is_told()
    {
        GatewaySite site = await BuildAsync("xdp", force: true, firewall: true);
        await site.ExpectPortAsync(site.LanA);
        Assert.Contains("chain gate of table guard does not see them", await site.StatusAsync(), StringComparison.Ordinal);
        await Ping.ExpectAsync(site.A.Space, HostB4);
        await Ping.UntilAnsweredAsync(site.A.Space, HostA4, TimeSpan.FromSeconds(5));
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));
    }

    private static async Task ExpectWordAsync(NetworkNamespace from, string options, params string[] words)
    {
        CommandResult result = await from.TryAsync(["ping", "-n", "-c", "1", "-W", "2", .. options.Split(' ')]);
        Assert.True(words.Any(word => result.Output.Contains(word, StringComparison.Ordinal)), $"ping {options} does not say {words[0]}:\n{result.Output}{result.Error}");
    }

    // Packets that the kernel of this namespace forwarded, of both families.
    private static async Task<long> ForwardedAsync(NetworkNamespace space)
    {
        string[][] four = [.. (await space.RunAsync("cat", "/proc/net/snmp")).Output.Split('\n')
            .Where(line => line.StartsWith("Ip:", StringComparison.Ordinal)).Select(line => line.Split(' '))];
        string six = (await space.RunAsync("grep", "Ip6OutForwDatagrams", "/proc/net/snmp6")).Output.Split([' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries)[1];
        return long.Parse(four[1][Array.IndexOf(four[0], "ForwDatagrams")], CultureInfo.InvariantCulture) + long.Parse(six, CultureInfo.InvariantCulture);
    }

    private Task<GatewaySite> BuildAsync(string other, bool force = false, bool firewall = false, int mtu = Mtu, int deviceMtu = 1500) =>
        GatewaySite.BuildAsync(Lab, new GatewayOptions { Other = other, Force = force, Firewall = firewall, Mtu = mtu, DeviceMtu = deviceMtu });
}
