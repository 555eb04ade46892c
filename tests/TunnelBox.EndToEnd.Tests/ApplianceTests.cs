using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The daemon that sets its tunnel up itself: from variables and mounted files, reloaded under traffic, probed, and with nothing leaking beside it.</summary>
[Trait("Load", "light")]
public class ApplianceTests(ITestOutputHelper output) : EndToEndTest(output, 90)
{
    private const string Inner = "192.168.241.1", FarInner = "192.168.241.2";
    private readonly string _name = Names.Next();

    [Fact]
    public async Task Variables_alone_bring_a_tunnel_up_and_probes_follow_it()
    {
        Side side = await Side.BuildAsync(Lab);
        string key = Lab.WriteFile("private", side.Keys.Private + "\n");
        Dictionary<string, string?> variables = Variables(side, key);
        variables["TUNNELBOX__HEALTH"] = "127.0.0.1:9587";
        variables["TUNNELBOX__METRICS"] = "127.0.0.1:9587";
        RunningProcess daemon = await StartAsync(side, variables);
        await daemon.WaitForOutputAsync($"The tunnel {_name} is up", Lab.Deadline);
        await Ping.ExpectAsync(side.Near, FarInner);
        Assert.Contains("Interface PrivateKey = (hidden) (from TUNNELBOX__INTERFACE__PRIVATEKEY_FILE)", daemon.Error, StringComparison.Ordinal);
        Assert.Contains("Peer 0 AllowedIPs = 192.168.241.2/32, 10.99.0.0/16 (from TUNNELBOX__PEERS__0__ALLOWEDIPS)", daemon.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(side.Keys.Private, daemon.Error + daemon.Output, StringComparison.Ordinal);
        Assert.Contains($"dev {_name}", (await side.Near.RunAsync("ip", "route", "get", "10.99.1.1")).Output, StringComparison.Ordinal);
        foreach (string probe in new[] { "livez", "readyz", "startupz" })
        {
            Assert.Equal("ok", (await ProbeAsync(side, probe, variables)).Expect().Output.Trim());
        }

        // A route that somebody took away is no readiness; the process is alive all the same.
        await side.Near.IpAsync("route del 10.99.0.0/16");
        CommandResult unready = await ProbeAsync(side, "readyz", variables);
        Assert.Equal(1, unready.ExitCode);
        Assert.Contains("no route leads 10.99.0.0/16 into the tunnel", unready.Error, StringComparison.Ordinal);
        (await ProbeAsync(side, "livez", variables)).Expect();

        var watch = Stopwatch.StartNew();
        await daemon.SignalAsync("TERM");
        Assert.Equal(0, (await daemon.WaitAsync(Lab.Deadline)).ExitCode);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"the stop took {watch.Elapsed}");
        Assert.False(await side.Near.HasLinkAsync(_name));
    }

    [Fact]
    public async Task A_peer_that_is_silent_is_no_readiness_and_no_reason_to_restart()
    {
        Side side = await Side.BuildAsync(Lab);
        Dictionary<string, string?> variables = Variables(side, Lab.WriteFile("private", side.Keys.Private));
        variables["TUNNELBOX__HEALTH"] = "socket";
        variables["TUNNELBOX__PEERS__0__ENDPOINT"] = "10.77.0.9:51821";
        RunningProcess daemon = await StartAsync(side, variables);
        await daemon.WaitForOutputAsync($"The tunnel {_name} is up", Lab.Deadline);
        CommandResult ready = await ProbeAsync(side, "readyz", variables);
        Assert.Equal(1, ready.ExitCode);
        Assert.Contains("none of 1 required peers was heard within 180 s", ready.Error, StringComparison.Ordinal);
        (await ProbeAsync(side, "livez", variables)).Expect();
        (await ProbeAsync(side, "startupz", variables)).Expect();
    }

    [Fact]
    public async Task Wrong_variables_are_one_sentence_each_and_nothing_is_made()
    {
        Side side = await Side.BuildAsync(Lab);
        CommandResult refused = await side.Near.TryAsync(
            [TunnelProgram.Default.Expect().Path, "-f", _name],
            new Dictionary<string, string?> { ["TUNNELBOX__INTERFACE__PRIVATKEY_FILE"] = "/x", ["TUNNELBOX__PEERS__0__ENDPOINT"] = "nowhere" });
        Assert.Equal(2, refused.ExitCode);
        Assert.Equal(3, refused.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("TUNNELBOX__INTERFACE__PRIVATKEY_FILE: there is no such key. Did you mean PrivateKey?", refused.Error, StringComparison.Ordinal);
        Assert.False(await side.Near.HasLinkAsync(_name));
    }

    [Fact]
    public async Task A_swapped_volume_applies_under_traffic_without_a_lost_packet_and_a_bad_one_is_refused_whole()
    {
        Side side = await Side.BuildAsync(Lab);
        string mount = Path.Combine(Lab.Folder, "mount");
        string Text(string more) => $"[Interface]\nPrivateKey = {side.Keys.Private}\nAddress = {Inner}/24\n[Peer]\nPublicKey = {side.Far.Keys.Public}\nAllowedIPs = {FarInner}/32\n"
            + $"Endpoint = {TunnelPair.SecondOuter4}:{TunnelPair.SecondPort}\n{more}";
        await SwapAsync(mount, Text(string.Empty));
        string file = Path.Combine(mount, _name + ".conf");
        File.CreateSymbolicLink(file, $"..data/{_name}.conf");
        string notify = Path.Combine(Lab.Folder, "notify");
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        manager.Bind(new UnixDomainSocketEndPoint(notify));
        RunningProcess daemon = await StartAsync(
            side, new Dictionary<string, string?> { ["NOTIFY_SOCKET"] = notify, ["WATCHDOG_USEC"] = "900000" }, "--config", file);
        Assert.StartsWith($"READY=1\nMAINPID={daemon.Id}\n", Next(manager), StringComparison.Ordinal);
        await Ping.ExpectAsync(side.Near, FarInner);
        string session = (await side.Near.RunAsync("wg", "show", _name, "latest-handshakes")).Output;

        Task<PingResult> pings = Ping.RunAsync(side.Near, FarInner, "-i 0.002 -c 3000 -W 1");
        string other = (await TunnelKeys.MakeAsync(Lab.Deadline)).Public;
        await SwapAsync(mount, Text($"[Peer]\nPublicKey = {other}\nAllowedIPs = 10.98.0.0/16\n"));
        Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", Next(manager), StringComparison.Ordinal);
        Assert.Contains("The configuration was applied (a file has changed): 2 peers.", Next(manager), StringComparison.Ordinal);
        Assert.Contains(other, (await side.Near.RunAsync("wg", "show", _name, "peers")).Output, StringComparison.Ordinal);
        Assert.Contains($"dev {_name}", (await side.Near.RunAsync("ip", "route", "get", "10.98.0.1")).Output, StringComparison.Ordinal);

        await SwapAsync(mount, Text("[Peer]\nPublicKey = short\nAllowedIPs = 10.97.0.0/16\n"));
        Assert.StartsWith("RELOADING=1", Next(manager), StringComparison.Ordinal);
        Assert.Contains("The new configuration is refused; the old one stays.", Next(manager), StringComparison.Ordinal);
        // The log and the manager's socket are two ways.
        await daemon.WaitForOutputAsync($"{file}:9: PublicKey: ", Lab.Deadline);
        Assert.Equal(2, (await side.Near.RunAsync("wg", "show", _name, "peers")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        await SwapAsync(mount, Text(string.Empty));
        Assert.StartsWith("RELOADING=1", Next(manager), StringComparison.Ordinal);
        Assert.Contains("1 peers", Next(manager), StringComparison.Ordinal);
        await daemon.SignalAsync("HUP");
        Assert.StartsWith("RELOADING=1", Next(manager), StringComparison.Ordinal);
        Assert.Contains("(SIGHUP)", Next(manager), StringComparison.Ordinal);
        PingResult result = await pings;
        Assert.True(result.Received == result.Sent && result.Sent == 3000, result.Output);
        Assert.Equal(session, (await side.Near.RunAsync("wg", "show", _name, "latest-handshakes")).Output);
        await daemon.SignalAsync("TERM");
        Assert.StartsWith("STOPPING=1\n", Next(manager), StringComparison.Ordinal);
        Assert.Equal(0, (await daemon.WaitAsync(Lab.Deadline)).ExitCode);
    }

    [Fact]
    public async Task A_reload_is_heard_by_a_daemon_that_was_started_with_hang_ups_ignored()
    {
        Side side = await Side.BuildAsync(Lab);
        Dictionary<string, string?> variables = Variables(side, Lab.WriteFile("private", side.Keys.Private));
        Lab.OwnInterface(_name);
        RunningProcess daemon = await side.Near.StartAsync(["nohup", TunnelProgram.Default.Expect().Path, "-f", _name], variables);
        await daemon.WaitForOutputAsync($"The tunnel {_name} is up", Lab.Deadline);
        await daemon.SignalAsync("HUP");
        await daemon.WaitForOutputAsync("The configuration was applied (SIGHUP): 1 peers.", Lab.Deadline);
        await Ping.ExpectAsync(side.Near, FarInner);
    }

    [Fact]
    public async Task The_kill_switch_lets_nothing_out_in_the_clear_while_the_tunnel_is_down()
    {
        Side side = await Side.BuildAsync(Lab);
        await side.Near.IpAsync($"route add default via {TunnelPair.SecondOuter4}");
        await side.Near.IpAsync($"-6 route add default via {TunnelPair.SecondOuter6}");
        Dictionary<string, string?> variables = Variables(side, Lab.WriteFile("private", side.Keys.Private));
        variables["TUNNELBOX__PEERS__0__ALLOWEDIPS"] = "0.0.0.0/0";
        variables["TUNNELBOX__KILLSWITCH"] = "on";
        variables["TUNNELBOX__KILLSWITCHALLOW"] = "10.55.0.0/16";
        RunningProcess daemon = await StartAsync(side, variables);
        await daemon.WaitForOutputAsync($"The tunnel {_name} is up", Lab.Deadline);
        await Ping.ExpectAsync(side.Near, FarInner);
        Capture capture = await Capture.StartAsync(Lab, side.Near, side.NearLink, "ip or ip6");
        await PokeAsync(side);
        await side.Near.IpAsync($"link set {_name} down");
        await PokeAsync(side);
        await daemon.SignalAsync("KILL");
        await daemon.WaitAsync(Lab.Deadline);
        await PokeAsync(side);
        // What is let pass passes; it also shows that the capture sees what leaves.
        await side.Near.TryAsync("ping", "-c", "1", "-W", "1", "10.55.0.1");
        IReadOnlyList<IpPacket> left = await capture.StopAsync();
        string text = string.Join('\n', (await side.Near.RunAsync("tcpdump", "-nr", capture.Path)).Output.Split('\n')
            .Where(line => !line.Contains($".{TunnelPair.SecondPort}", StringComparison.Ordinal) && !line.Contains("ICMP6", StringComparison.Ordinal)));
        Assert.NotEmpty(left);
        Assert.Contains("10.55.0.1", text, StringComparison.Ordinal);
        Assert.DoesNotContain("203.0.113.", text, StringComparison.Ordinal);
        Assert.DoesNotContain("2001:db8", text, StringComparison.Ordinal);

        // Started again it takes its switch over, and an orderly stop opens the way.
        daemon = await StartAsync(side, variables);
        await daemon.WaitForOutputAsync($"The tunnel {_name} is up", Lab.Deadline);
        await Ping.ExpectAsync(side.Near, FarInner);
        await daemon.SignalAsync("TERM");
        Assert.Equal(0, (await daemon.WaitAsync(Lab.Deadline)).ExitCode);
        Assert.Empty((await side.Near.RunAsync("nft", "list", "ruleset")).Output.Trim());
        Assert.DoesNotContain("51820", (await side.Near.RunAsync("ip", "rule")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kept_switch_stays_until_it_is_cleaned_up_and_dns_goes_to_the_file_that_is_named()
    {
        Side side = await Side.BuildAsync(Lab);
        string resolver = Lab.WriteFile("resolv.conf", "nameserver 192.0.2.53\n");
        Dictionary<string, string?> variables = Variables(side, Lab.WriteFile("private", side.Keys.Private));
        variables["TUNNELBOX__KILLSWITCH"] = "keep";
        variables["TUNNELBOX__DNS"] = resolver;
        variables["TUNNELBOX__INTERFACE__DNS"] = "10.99.0.53, example.org";
        RunningProcess daemon = await StartAsync(side, variables);
        await daemon.WaitForOutputAsync($"The tunnel {_name} is up", Lab.Deadline);
        Assert.Equal($"# by tunnelbox, for {_name}\nnameserver 10.99.0.53\nsearch example.org\n", File.ReadAllText(resolver));
        await Ping.ExpectAsync(side.Near, FarInner);
        await daemon.SignalAsync("TERM");
        await daemon.WaitAsync(Lab.Deadline);
        Assert.Equal("nameserver 192.0.2.53\n", File.ReadAllText(resolver));
        Assert.Contains($"tunnelbox-kill-{_name}", (await side.Near.RunAsync("nft", "list", "ruleset")).Output, StringComparison.Ordinal);
        await side.Near.RunAsync(TunnelProgram.Default.Path, "--clean-up", _name);
        Assert.Empty((await side.Near.RunAsync("nft", "list", "ruleset")).Output.Trim());
    }

    private static string Next(Socket manager)
    {
        byte[] buffer = new byte[4096];
        while (true)
        {
            string text = Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer));
            if (text != "WATCHDOG=1")
            {
                return text;
            }
        }
    }

    // As the kubelet changes a volume: a new folder, and one link to it swapped.
    private async Task SwapAsync(string mount, string text)
    {
        string version = $"..{Guid.NewGuid():N}";
        Directory.CreateDirectory(Path.Combine(mount, version));
        string path = Path.Combine(mount, version, _name + ".conf");
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.CreateSymbolicLink(Path.Combine(mount, "..data_tmp"), version);
        await Lab.RunAsync("mv", "-T", Path.Combine(mount, "..data_tmp"), Path.Combine(mount, "..data"));
    }

    private static async Task PokeAsync(Side side)
    {
        await side.Near.TryAsync("ping", "-c", "2", "-i", "0.2", "-W", "1", "203.0.113.7");
        await side.Near.TryAsync("ping", "-6", "-c", "2", "-i", "0.2", "-W", "1", "2001:db8::7");
    }

    private Dictionary<string, string?> Variables(Side side, string key) => new()
    {
        ["TUNNELBOX__INTERFACE__PRIVATEKEY_FILE"] = key,
        ["TUNNELBOX__INTERFACE__ADDRESS"] = $"{Inner}/24",
        ["TUNNELBOX__PEERS__0__PUBLICKEY"] = side.Far.Keys.Public,
        ["TUNNELBOX__PEERS__0__ENDPOINT"] = $"{TunnelPair.SecondOuter4}:{TunnelPair.SecondPort}",
        ["TUNNELBOX__PEERS__0__ALLOWEDIPS"] = $"{FarInner}/32, 10.99.0.0/16",
    };

    private Task<CommandResult> ProbeAsync(Side side, string probe, IReadOnlyDictionary<string, string?> variables) =>
        side.Near.TryAsync([TunnelProgram.Default.Path, "--probe", probe, _name], variables);

    private async Task<RunningProcess> StartAsync(Side side, IReadOnlyDictionary<string, string?> variables, params string[] options)
    {
        Lab.OwnInterface(_name);
        RunningProcess daemon = await side.Near.StartAsync([TunnelProgram.Default.Expect().Path, "-f", .. options, _name], variables);
        Lab.Report(() => $"--- {_name}:\n{daemon.Error}");
        return daemon;
    }

    /// <summary>A namespace for the appliance, and a usual tunnel end in another one.</summary>
    private sealed record Side(NetworkNamespace Near, string NearLink, TunnelEnd Far, TunnelKeys Keys)
    {
        public static async Task<Side> BuildAsync(Lab lab)
        {
            NetworkNamespace near = await lab.NamespaceAsync();
            NetworkNamespace far = await lab.NamespaceAsync();
            (string nearLink, string farLink) = await NetworkNamespace.ConnectAsync(near, far);
            await near.IpAsync($"address add {TunnelPair.FirstOuter4}/24 dev {nearLink}");
            await far.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {farLink}");
            await near.IpAsync($"address add {TunnelPair.FirstOuter6}/64 dev {nearLink} nodad");
            await far.IpAsync($"address add {TunnelPair.SecondOuter6}/64 dev {farLink} nodad");
            TunnelEnd end = await TunnelEnd.StartAsync(lab, far);
            await end.UpAsync(TunnelPair.SecondPort, 1420, $"{FarInner}/24");
            TunnelKeys keys = await TunnelKeys.MakeAsync(lab.Deadline);
            await end.SetAsync($"peer {keys.Public} allowed-ips {Inner}/32");
            return new Side(near, nearLink, end, keys);
        }
    }
}
