using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary><c>tunnelctl doctor</c>: a healthy tunnel has no findings, and each thing that is broken for real is found by its check.</summary>
[Trait("Load", "light")]
public class DoctorTests(ITestOutputHelper output) : EndToEndTest(output, deadlineSeconds: 120)
{
    private readonly ITestOutputHelper _output = output;

    [Fact]
    public async Task A_healthy_tunnel_passes_every_check_within_the_budget()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        CommandResult result = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "doctor", pair.First.Interface]);
        _output.WriteLine(result.Output);
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        foreach (TunnelEnd end in (TunnelEnd[])[pair.First, pair.Second])
        {
            Diagnosis diagnosis = await Diagnosis.OfAsync(end);
            Assert.InRange(diagnosis.Seconds, 0, 5.0);
            Assert.All(diagnosis.Findings, finding => Assert.True(finding.Status is "pass" or "skip", finding.ToString()));

            // No name server is set, and without a device nothing is steered.
            Assert.Equal(["steering", "dns"], diagnosis.Findings.Where(finding => finding.Status == "skip").Select(finding => finding.Check));
        }
    }

    [Fact]
    public async Task What_cannot_be_asked_is_said_in_one_sentence()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        CommandResult check = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "doctor", pair.First.Interface, "--check", "rp-fliter"]);
        Assert.Equal((2, true), (check.ExitCode, check.Error.Contains("Did you mean rp-filter?", StringComparison.Ordinal)));
        Assert.Single(check.Error.TrimEnd().Split('\n'));
        Assert.Equal(3, (await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "doctor", "no-such-if"])).ExitCode);
    }

    [Fact]
    public async Task The_interface_down_and_without_address_is_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.First.Inner.IpAsync($"address flush dev {pair.First.Interface}");
        await ExpectAsync(pair.First, "device", "warn", "has no address");
        await pair.First.Inner.IpAsync($"link set {pair.First.Interface} down");
        await ExpectAsync(pair.First, "device", "fail", "is down");
        await pair.First.SetAsync($"private-key {Lab.WriteFile("none.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")}");
        await ExpectAsync(pair.First, "device", "fail", "No private key");
    }

    [Fact]
    public async Task A_missing_right_and_an_offload_that_is_off_are_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await ExpectAsync(pair.First, "capabilities", "pass", "have the rights");
        CommandResult poor = await pair.First.Space.TryAsync(["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", TunnelProgram.Tunnelctl, "doctor", pair.First.Interface, "--check", "capabilities", "--json"]);
        Assert.Contains(Diagnosis.Parse(poor.Output).Findings, finding => finding.Status == "warn" && finding.Message.Contains("CAP_NET_RAW", StringComparison.Ordinal));

        NetworkNamespace other = await Lab.NamespaceAsync();
        string name = Names.Next();
        Lab.OwnInterface(name);
        RunningProcess daemon = await other.StartAsync([TunnelProgram.Default.Path, "-f", name], new Dictionary<string, string?> { ["TUNNELBOX__TUNOFFLOAD"] = "false" });
        await Eventually.TrueAsync(() => Task.FromResult(TunnelEnd.Answers($"/run/tunnelbox/{name}.ctl")), () => daemon.Error, Lab.Deadline);
        Diagnosis slow = Diagnosis.Parse((await other.TryAsync([TunnelProgram.Tunnelctl, "doctor", name, "--check", "offloads", "--json"])).Output);
        Assert.Contains(slow.Findings, finding => finding.Status == "warn" && finding.Message.Contains("TunOffload", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Missing_routes_inside_and_outside_are_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.First.SetPeerAsync(pair.Second, $"allowed-ips {TunnelPair.Second4}/32,10.99.0.0/16");
        await ExpectAsync(pair.First, "routes", "fail", "No route leads to 10.99.0.0/16");
        await pair.First.Inner.IpAsync($"route add 10.99.0.0/16 dev {pair.First.Interface}");
        await ExpectAsync(pair.First, "routes", "pass", "lead into");
        await pair.First.Inner.IpAsync($"route add 10.77.0.2/32 dev {pair.First.Interface}");
        await ExpectAsync(pair.First, "routes", "fail", "into the tunnel itself");
        await pair.First.Inner.IpAsync($"route del 10.77.0.2/32 dev {pair.First.Interface}");
        await pair.First.SetPeerAsync(pair.Second, "endpoint 203.0.113.1:51821");
        await ExpectAsync(pair.First, "routes", "fail", "no route to its endpoint 203.0.113.1");
    }

    [Fact]
    public async Task Prefixes_of_two_peers_are_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await ExpectAsync(pair.First, "allowed-ips", "pass", "Each prefix");
        string other = (await TunnelKeys.MakeAsync(Lab.Deadline)).Public;
        await pair.First.SetPeerAsync(pair.Second, "allowed-ips 192.168.0.0/16");
        await pair.First.SetAsync($"peer {other} allowed-ips 192.168.241.0/24");
        await ExpectAsync(pair.First, "allowed-ips", "warn", "lies within 192.168.0.0/16");
        await pair.First.SetAsync($"peer {other} allowed-ips 192.168.0.0/16");
        await ExpectAsync(pair.First, "allowed-ips", "fail", "has no allowed IPs");
    }

    [Fact]
    public async Task Firewalls_are_read_without_nft()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await ExpectAsync(pair.First, "firewall", "pass", "No rule");
        foreach ((string rules, string status, string message) in new[]
        {
            ("table inet f { chain input { type filter hook input priority 0; udp dport 51820 drop; }; }", "fail", "rule"),
            ("table ip f { chain input { type filter hook input priority 0; policy drop; ct state established,related accept; iifname lo accept; }; }", "pass", "No rule"),
            ("table ip f { chain input { type filter hook input priority 0; policy drop; iifname lo accept; tcp dport 22 accept; }; }", "fail", "the policy of chain input"),
            ("table ip f { chain input { type filter hook input priority 0; policy drop; udp dport 51820 accept; }; }", "pass", "No rule"),
            ("table ip f { chain other { meta l4proto udp reject; }; chain input { type filter hook input priority 0; ip saddr 10.77.0.0/24 jump other; }; }", "fail", "chain other"),
            ("table ip f { chain output { type filter hook output priority 0; udp dport 51821 drop; }; }", "fail", "datagrams to 10.77.0.2:51821"),
            ("table ip f { chain input { type filter hook input priority 0; meta length 100 drop; }; }", "warn", "may drop"),
        })
        {
            await pair.First.Space.NftAsync("flush ruleset; " + rules);
            await ExpectAsync(pair.First, "firewall", status, message);
        }
    }

    [Fact]
    public async Task Forwarding_that_is_off_and_segment_sizes_that_nobody_clamps_are_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        NetworkNamespace space = pair.First.Space;
        await ExpectAsync(pair.First, "forwarding", "pass", "off");
        await ExpectAsync(pair.First, "mss", "pass", "takes its segment size");
        await space.NftAsync("table ip n { chain post { type nat hook postrouting priority srcnat; masquerade; }; }");
        await ExpectAsync(pair.First, "forwarding", "fail", "forwarding is off");
        await space.SysctlAsync("net.ipv4.ip_forward=1");
        await ExpectAsync(pair.First, "forwarding", "pass", "on");
        await ExpectAsync(pair.First, "mss", "warn", "no rule clamps");
        await space.NftAsync("table ip m { chain forward { type filter hook forward priority 0; tcp flags syn tcp option maxseg size set rt mtu; }; }");
        await ExpectAsync(pair.First, "mss", "pass", "A rule clamps");
        await space.NftAsync("table ip d { chain forward { type filter hook forward priority 1; policy drop; }; }");
        await ExpectAsync(pair.First, "forwarding", "warn", "drops what comes from");
    }

    [Fact]
    public async Task Reverse_path_filtering_that_bites_is_found_by_asking_the_kernel()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.First.SetPeerAsync(pair.Second, $"allowed-ips {TunnelPair.Second4}/32,10.99.0.0/16");
        await pair.First.Space.IpAsync($"route add default via {TunnelPair.SecondOuter4}");
        await pair.First.Space.SysctlAsync($"net.ipv4.conf.{pair.First.Interface}.rp_filter=0");
        await pair.First.Space.SysctlAsync("net.ipv4.conf.all.rp_filter=0");
        await ExpectAsync(pair.First, "rp-filter", "pass", "believes");
        await pair.First.Space.SysctlAsync($"net.ipv4.conf.{pair.First.Interface}.rp_filter=1");
        await ExpectAsync(pair.First, "rp-filter", "fail", "10.99.0.0/16");
    }

    [Fact]
    public async Task Narrow_paths_are_measured_inside_and_outside()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        await ExpectAsync(pair.First, "inner-mtu", "pass", "full MTU, 1420 bytes");
        await ExpectAsync(pair.First, "outer-mtu", "pass", "1480 bytes reach");
        // A path that drops what is longer and says nothing.
        await pair.Second.Space.NftAsync("table ip f { chain input { type filter hook prerouting priority -300; ip length > 1300 drop; }; }");
        Finding inner = await ExpectAsync(pair.First, "inner-mtu", "fail", "a black hole");
        Assert.Matches(@"up to 12[0-9]{2} bytes", inner.Message);
        await ExpectAsync(pair.First, "outer-mtu", "warn", "only 1");
        await pair.Second.Space.NftAsync("flush ruleset");
        await pair.First.Space.IpAsync($"link set {pair.FirstLink} mtu 1400");
        await ExpectAsync(pair.First, "outer-mtu", "warn", "two fragments");
    }

    [Fact]
    public async Task A_full_socket_buffer_is_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        await ExpectAsync(pair.First, "buffers", "pass", "No datagram");
        await pair.First.Daemon.SignalAsync("STOP");
        await pair.Second.Space.RunAsync([.. Agent.Command, "garbage-udp", TunnelPair.FirstOuter4, TunnelPair.FirstPort.ToString(), "60000", "1"]);
        await pair.First.Daemon.SignalAsync("CONT");
        await ExpectAsync(pair.First, "buffers", "warn", "were lost");
    }

    [Fact]
    public async Task A_name_server_that_does_not_answer_is_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string folder = Lab.OwnFolder($"/etc/netns/{pair.First.Space.Name}");
        await File.WriteAllTextAsync(folder + "/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", Lab.Deadline);
        await File.WriteAllTextAsync(folder + "/hosts", $"{TunnelPair.SecondOuter4} second.example\n", Lab.Deadline);
        string file = Lab.WriteFile("names.conf", $"[Interface]\nPrivateKey = {pair.First.Keys.Private}\nListenPort = {TunnelPair.FirstPort}\n[Peer]\nPublicKey = {pair.Second.Keys.Public}\nAllowedIPs = {TunnelPair.Second4}/32\nEndpoint = second.example:{TunnelPair.SecondPort}\n");
        await pair.First.Space.RunAsync(TunnelProgram.Tunnelctl, "syncconf", pair.First.Interface, file);
        await ExpectAsync(pair.First, "dns", "fail", "127.0.0.1");
        RunningProcess server = await pair.First.Space.StartAsync([.. Agent.Command, "dns"]);
        await server.WaitForOutputAsync("listening", Lab.Deadline);
        await ExpectAsync(pair.First, "dns", "pass", "answers");
    }

    [Fact]
    public async Task A_foreign_XDP_program_and_a_mode_that_is_not_in_force_are_found()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await ExpectAsync(pair.First, "xdp-programs", "pass", "No foreign XDP program");
        await ExpectAsync(pair.First, "xdp-mode", "pass", "outer port is udp");
        await XdpProgram.DropAsync(Lab, pair.First.Space, pair.FirstLink);
        await ExpectAsync(pair.First, "xdp-programs", "fail", $"attached to {pair.FirstLink}");
        Diagnosis mode = Diagnosis.Parse((await pair.First.Space.TryAsync(
            [TunnelProgram.Tunnelctl, "doctor", pair.First.Interface, "--check", "xdp-mode", "--json"], new Dictionary<string, string?> { ["TUNNELBOX__OUTERPORT"] = "xdp:" + pair.FirstLink })).Output);
        Assert.Equal("warn", Assert.Single(mode.Findings).Status);
    }

    [Fact]
    public async Task The_tunnels_own_XDP_program_is_no_foreign_one_and_its_mode_is_told()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        Dictionary<string, string?> settings = new() { ["TUNNELBOX__OUTERPORT"] = "xdp:" + pair.FirstLink };
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, pair.First.Space, settings: settings);
        await end.UpAsync(51999, 1420);
        await end.SetPeerAsync(pair.Second, $"endpoint {TunnelPair.SecondOuter4}:9 allowed-ips 10.55.0.1/32");
        await Eventually.TrueAsync(
            async () => (await end.Space.TryAsync([TunnelProgram.Tunnelctl, "status", end.Interface])).Output.Contains("xdp", StringComparison.Ordinal),
            () => "the outer port never became xdp",
            Lab.Deadline);
        foreach ((string check, string message) in ((string, string)[])[("xdp-programs", "No foreign XDP program"), ("xdp-mode", $"XDP on {pair.FirstLink}")])
        {
            CommandResult found = await end.Space.TryAsync([TunnelProgram.Tunnelctl, "doctor", end.Interface, "--check", check, "--json"], settings);
            Finding finding = Assert.Single(Diagnosis.Parse(found.Output).Findings);
            Assert.Contains(message, finding.Message, StringComparison.Ordinal);
            Assert.NotEqual("fail", finding.Status);
        }
    }

    [Fact]
    public async Task A_clock_that_went_back_is_found_by_what_was_written_later()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await ExpectAsync(pair.First, "clock", "pass", "later than everything");
        CommandResult behind = await pair.First.Space.TryAsync(
            ["env", "NO_FAKE_STAT=1", "faketime", "2001-02-03 04:05:06", TunnelProgram.Tunnelctl, "doctor", pair.First.Interface, "--check", "clock", "--json"]);
        Finding finding = Assert.Single(Diagnosis.Parse(behind.Output).Findings);
        Assert.Equal(("fail", "clock"), (finding.Status, finding.Cause));
    }

    private async Task<Finding> ExpectAsync(TunnelEnd end, string check, string status, string message)
    {
        Diagnosis diagnosis = await Diagnosis.OfAsync(end, check);
        Finding? found = diagnosis.Findings.FirstOrDefault(finding => finding.Status == status && finding.Message.Contains(message, StringComparison.Ordinal));
        Assert.True(found is not null, $"{check}: no {status} with \"{message}\", but:\n{string.Join('\n', diagnosis.Findings)}");
        _output.WriteLine(found.ToString());
        return found;
    }
}
