using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>What a local network's device can do wrong under traffic, and that everything goes on and no frame is missing afterwards.</summary>
public class GatewayFaultTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const string HostA4 = GatewaySite.HostA4, HostB4 = GatewaySite.HostB4;

    [Fact]
    public async Task A_daemon_that_stands_still_starves_the_inner_fill_ring_and_what_is_lost_has_a_name()
    {
        GatewaySite site = await BuildAsync(new());
        await site.ExpectPortAsync(site.LanA);
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));
        await site.A.Daemon.SignalAsync("STOP");
        await site.HostA.RunAsync([.. Agent.Command, "udp-send", HostB4, "9", "6000", "20000", "100"]);
        await site.A.Daemon.SignalAsync("CONT");
        await site.WellAsync();
        Dictionary<string, long> counts = await site.DropsAsync();
        Assert.InRange(counts["OutXdpNoFrame"], 3000, 6000);
        Assert.Equal(0, counts["OutXdpRedirectFailed"]);
        Assert.Equal(0, counts["InXdpNotSent"]);
    }

    [Fact]
    public async Task Auto_stays_with_TUN_where_the_driver_copies_and_a_device_of_another_tunnel_is_not_shared()
    {
        GatewaySite site = await BuildAsync(new() { Other = "tun" });
        await site.ExpectPortAsync(site.LanA);
        TunnelEnd careful = await TunnelEnd.StartAsync(
            Lab, site.B.Space, settings: new Dictionary<string, string?> { ["TUNNELBOX__INNERPORT"] = $"auto:{site.LanB}" });
        await careful.UpAsync(51900, 1420, "10.90.0.1/24");
        await ExpectNoteAsync(careful, $"auto stays with TUN: the driver of {site.LanB} offers no zero-copy, and TUN with offloads is faster then; the TUN device carries the local network's packets");
        Assert.DoesNotContain("xdp", (await site.B.Space.RunAsync("ip", "link", "show", site.LanB)).Output, StringComparison.Ordinal);

        TunnelEnd third = await TunnelEnd.StartAsync(
            Lab, site.A.Space, settings: new Dictionary<string, string?> { ["TUNNELBOX__INNERPORT"] = $"xdp:{site.LanA}" });
        await third.UpAsync(51901, 1420, "10.91.0.1/24");
        await ExpectNoteAsync(third, $"no XDP on {site.LanA}: XDP program ");
        string status = await XdpSide.TextAsync(third);
        Assert.Matches(@"is attached there already, the one of another tunnel \(inner[a-z_]*\), and a device serves one process; .*; the TUN device carries the local network's packets", status);
        await site.WellAsync();
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task Queues_that_are_switched_on_are_bound_on_the_inner_side_too()
    {
        GatewaySite site = await BuildAsync(new()
        {
            Workers = 2,
            Queues = 4,
            Before = static (gate, lan) => gate.RunAsync("ethtool", "-L", lan, "rx", "1", "tx", "1"),
        });
        await site.WellAsync();
        await site.A.Space.RunAsync("ethtool", "-L", site.LanA, "rx", "4", "tx", "4");
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => (await XdpSide.QueuesAsync(site.A, inner: true)).Length == 4, "the new queues are not bound");
        await site.WellAsync(queues: 4);
        Assert.Equal([0, 1, 0, 1], (await XdpSide.QueuesAsync(site.A, inner: true)).Select(queue => queue.GetProperty("worker").GetInt32()));
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB4, 4 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA4, 4 << 20);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_generic_device_serves_too_and_tells_why_it_is_generic()
    {
        GatewaySite site = await BuildAsync(new() { OnTop = true, Workers = 2 });
        await site.WellAsync();
        System.Text.Json.JsonElement queue = Assert.Single(await XdpSide.QueuesAsync(site.A, inner: true));
        Assert.Equal("generic", queue.GetProperty("mode").GetString());
        Assert.Equal($"the driver of {site.LanA} does not run XDP programs: Operation not supported (EOPNOTSUPP)", queue.GetProperty("modeReason").GetString());
        Assert.Matches("lan queue 0 +generic, worker 0, ", await site.StatusAsync());
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB4, 4 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA4, 4 << 20);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_local_network_that_takes_too_slowly_fills_the_ring_for_seconds_and_loses_no_frame()
    {
        GatewaySite site = await BuildAsync(new() { OnTop = true });
        await site.WellAsync();
        await site.A.Space.RunAsync("tc", "qdisc", "add", "dev", site.LowerA, "root", "tbf", "rate", "8mbit", "burst", "3000", "limit", "30m");
        DatagramCount flood = await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA4, 6000, 3000, 1372);
        Assert.True(flood.Corrupt == 0, flood.ToString());
        await site.A.Space.RunAsync("tc", "qdisc", "del", "dev", site.LowerA, "root");
        await site.WellAsync();
        Assert.InRange((await site.DropsAsync())["InNoQueueSpace"], 1, 6000);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_local_network_that_takes_nothing_for_seconds_is_left_to_TUN_and_taken_again()
    {
        GatewaySite site = await BuildAsync(new() { OnTop = true });
        await site.WellAsync();
        await site.A.Space.RunAsync("tc", "qdisc", "add", "dev", site.LowerA, "root", "tbf", "rate", "1kbit", "burst", "2000", "limit", "30m");
        await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA4, 4000, 4000, 1372);
        await site.ExpectPortAsync(null);
        Assert.Matches($"no XDP on {site.LanA} for now: queue 0 has transmitted nothing for 3 s while [0-9]+ frames wait; the TUN device carries", await site.StatusAsync());
        await site.A.Space.RunAsync("tc", "qdisc", "del", "dev", site.LowerA, "root");
        await site.WellAsync();
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task Without_the_rights_TUN_carries_the_local_network_and_the_reason_is_told()
    {
        GatewaySite site = await BuildAsync(new() { Launcher = ["setpriv", "--bounding-set", "-bpf,-sys_admin"] });
        await site.WellAsync(xdp: false);
        Assert.Matches($"no XDP on {site.LanA}: .*CAP_BPF.*; the TUN device carries the local network's packets", await site.StatusAsync());
        Assert.DoesNotContain("xdp", (await site.A.Space.RunAsync("ip", "link", "show", site.LanA)).Output, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_foreign_program_on_the_local_network_stays_and_doctor_names_it_until_its_owner_takes_it_away()
    {
        GatewaySite site = await BuildAsync(new() { Before = (gate, lan) => XdpProgram.DropAsync(Lab, gate, lan) });
        await site.ExpectPortAsync(null);
        Assert.Matches(
            $"no XDP on {site.LanA}: XDP program [1-9][0-9]* is attached there already; end its owner, or detach it with 'ip link set dev {site.LanA} xdpgeneric off'; the TUN device carries",
            await site.StatusAsync());
        await ExpectDoctorAsync(site, "fail", $"is attached to {site.LanA} (generic mode), so the tunnel's is not");
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(5));
        await site.A.Space.IpAsync($"link set dev {site.LanA} xdpgeneric off");
        await site.WellAsync();
        await ExpectDoctorAsync(site, "pass", $"XDP on {site.LanA}: native mode");
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_link_of_the_local_network_that_goes_down_and_up_under_traffic_leaves_no_frame_behind()
    {
        GatewaySite site = await BuildAsync(new());
        await site.WellAsync();
        Task<DatagramCount> there = Transfer.UdpAsync(Lab, site.HostA, site.HostB, HostB4, 8000, 2000, 1000);
        Task<DatagramCount> back = Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA4, 8000, 2000, 1000);
        for (int round = 0; round < 3; round++)
        {
            await Task.Delay(400, Lab.Deadline);
            await site.A.Space.IpAsync($"link set {site.LanA} down");
            await Task.Delay(200, Lab.Deadline);
            await site.A.Space.IpAsync($"link set {site.LanA} up");
        }

        // Sending from a host without a carrier is refused, which is no loss; the rest comes back within a second of each change.
        Assert.InRange((await there).Received, 1000, 8000);
        Assert.InRange((await back).Received, 1000, 8000);

        // A link that goes down loses its IPv6 addresses, here and at the host.
        await site.A.Space.IpAsync($"address replace fd01::1/64 dev {site.LanA} nodad");
        await site.HostA.IpAsync($"address replace fd01::2/64 dev {site.HostLinkA} nodad");
        await site.HostA.IpAsync("route replace default via fd01::1");
        await site.HostA.IpAsync("route replace default via 10.1.0.1");
        await ExpectDoctorAsync(site, "pass", $"XDP on {site.LanA}: native mode");
        await site.WellAsync();
        await site.HostA.IpAsync($"link set {site.HostLinkA} down");
        await ExpectDoctorAsync(site, "fail", $"The local network's device {site.LanA} has no carrier");
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_device_of_the_local_network_that_is_made_anew_under_traffic_is_taken_again()
    {
        GatewaySite site = await BuildAsync(new());
        await site.WellAsync();
        await site.HostB.StartAsync(["ping", "-n", "-i", "0.01", HostA4]);
        await site.A.Space.IpAsync($"link del {site.LanA}");
        await site.ExpectPortAsync(null);
        await Lab.RunAsync("ip", "link", "add", site.LanA, "netns", site.A.Space.Name, "type", "veth", "peer", "name", site.HostLinkA, "netns", site.HostA.Name);
        await site.AddressLanAAsync();
        await site.WellAsync();
        Assert.DoesNotContain("frames are under way", site.A.Daemon.Error + site.A.Daemon.Output, StringComparison.Ordinal);
    }

    private static Task ExpectNoteAsync(TunnelEnd end, string words)
    {
        return Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => (await XdpSide.TextAsync(end)).Contains(words, StringComparison.Ordinal), $"status never says \"{words}\"");
    }

    private static async Task ExpectDoctorAsync(GatewaySite site, string status, string words)
    {
        CommandResult found = await site.A.Space.TryAsync(
            [TunnelProgram.Tunnelctl, "doctor", site.A.Interface, "--check", "xdp-inner", "--json"],
            new Dictionary<string, string?> { ["TUNNELBOX__INNERPORT"] = $"xdp:{site.LanA}" });
        Assert.Contains(
            Diagnosis.Parse(found.Output).Findings, finding => finding.Status == status && finding.Message.Contains(words, StringComparison.Ordinal));
    }

    private Task<GatewaySite> BuildAsync(GatewayOptions options) => GatewaySite.BuildAsync(Lab, options);
}
