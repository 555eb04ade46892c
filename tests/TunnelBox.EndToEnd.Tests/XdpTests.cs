using System.Globalization;
using System.Text.RegularExpressions;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The tunnel with its outer side on AF_XDP, over a veth pair: traffic, faults, and who may use a device.</summary>
public class XdpTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const int Count = 2000;
    private const int Rate = 2000;

    /// <summary>What the other end is (xdp, udp, wireguard-go), and whether the outer side is IPv6.</summary>
    public static TheoryData<string, bool> Ends => new()
    {
        { "udp", false }, { "udp", true }, { "xdp", false }, { "xdp", true }, { "wireguard-go", false }, { "wireguard-go", true },
    };

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task Traffic_passes_without_loss_and_past_the_kernels_udp(string other, bool outerIpv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions
        {
            FirstXdp = true,
            SecondXdp = other == "xdp",
            Second = other == "wireguard-go" ? await TunnelProgram.WireGuardGo2023Async() : null,
            OuterIpv6 = outerIpv6,
        });
        await pair.ExpectPingsAsync();
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, 8 << 20);
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");

        // wireguard-go's socket buffers are the system's, so a busy machine may lose some at its end.
        int mayBeLost = other == "wireguard-go" ? 15 : 0;
        long[] before = await KernelUdpAsync(pair.First.Space, outerIpv6);
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, 1372)).Expect(mayBeLost);
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, Count, Rate, 33)).Expect(mayBeLost);
        long[] after = await KernelUdpAsync(pair.First.Space, outerIpv6);
        // Its own datagrams inside the tunnel are counted with the rest (received ones with IPv6, sent ones with IPv4); outer ones
        // would be as many again.
        Assert.InRange(after[0] - before[0], 0, (outerIpv6 ? Count : 0) + (Count / 4));
        Assert.InRange(after[1] - before[1], 0, (outerIpv6 ? 0 : Count) + (Count / 4));

        Dictionary<string, long> counts = await XdpSide.StatAsync(pair.First);
        Assert.All(counts.Where(c => c.Key.Contains("Xdp", StringComparison.Ordinal)), c => Assert.True(c.Value == 0, c.ToString()));
        Assert.Equal(0, counts["InOuterHdrError"]);
        Assert.InRange(counts["tb-worker-0.OuterReceivedPackets"], Count, long.MaxValue);
        await XdpSide.ExpectFramesHomeAsync(pair.First);
    }

    [Fact]
    public async Task A_trace_shows_hash_queue_worker_and_the_wait_in_the_ring()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        RunningProcess trace = await pair.First.Space.StartAsync([TunnelProgram.Tunnelctl, "trace", pair.First.Interface, "icmp"]);
        await trace.WaitForOutputAsync("tracing", Lab.Deadline);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        await trace.WaitForOutputAsync(" in peer ", Lab.Deadline);
        await trace.SignalAsync("INT");
        string told = (await trace.WaitAsync(Lab.Deadline)).Output;
        Assert.Matches(@" in peer .* \| ring [0-9]+\.[0-9] µs open [0-9.]+ µs deliver [0-9.]+ µs \| queue 0 worker [1-9] hints [0-9a-f]{8} (device|program) \| 128 bytes from ", told);
        Assert.Matches(@" out peer .* hints none ", told);
    }

    [Theory]
    [InlineData("udp")]
    [InlineData("wireguard-go")]
    public async Task A_flood_is_dropped_early_by_name_and_legitimate_traffic_does_not_notice(string other)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions
        {
            FirstXdp = true,
            Second = other == "wireguard-go" ? await TunnelProgram.WireGuardGo2023Async() : null,
        });
        await pair.ExpectPingsAsync();
        Dictionary<string, long> before = await XdpSide.StatAsync(pair.First);
        string flood = Lab.WriteFile("flood.py", $$"""
            import os, random, socket, struct, time
            random.seed(1)
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("{{TunnelPair.FirstOuter4}}", {{TunnelPair.FirstPort}}))
            kinds = [
                lambda: struct.pack("<IIQ", 4, random.getrandbits(32), 0) + bytes(48),
                lambda: os.urandom(4)[:3] + b"\x7f" + bytes(60),
                lambda: struct.pack("<I", 1) + bytes(100),
                lambda: struct.pack("<III", 2, 0, random.getrandbits(32)) + bytes(80),
                lambda: struct.pack("<II", 3, random.getrandbits(32)) + bytes(56),
            ]
            for n in range(20000):
                s.send(kinds[n % 5]())
                if n % 100 == 99:
                    time.sleep(0.005)
            """);
        Task<CommandResult> flooding = pair.Second.Space.TryAsync(["python3", flood]);
        int mayBeLost = other == "wireguard-go" ? 15 : 0;
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(mayBeLost);
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, Count, Rate, 500)).Expect(mayBeLost);
        (await flooding).Expect();
        Dictionary<string, long> after = [];
        await Eventually.TrueAsync(
            async () => (after = await XdpSide.StatAsync(pair.First))["InNoStates"] - before["InNoStates"] >= 3900, () => $"{after["InNoStates"]}", Lab.Deadline);
        foreach (string reason in (string[])["InNoStates", "InMessageType", "InHdrError", "InHandshakeResponseInvalid", "InHandshakeCookieInvalid"])
        {
            Assert.InRange(after[reason] - before[reason], 3900, 4000);
        }

        // No worker saw any of them.
        string[] workers = [.. after.Keys.Where(key => key.StartsWith("tb-worker-", StringComparison.Ordinal) && key.EndsWith(".OuterReceivedPackets", StringComparison.Ordinal))];
        Assert.InRange(workers.Sum(key => after[key] - before[key]), Count, Count + 500);
    }

    [Fact]
    public async Task Restart_roaming_and_new_keys_of_the_peer_pass_an_early_drop()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        (await pair.Second.Space.TryAsync(["wg", "set", pair.Second.Interface, "listen-port", "51899"])).Expect();
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        await Task.Delay(TimeSpan.FromSeconds(5.2), Lab.Deadline);
        (await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "ping", pair.First.Interface, pair.Second.Keys.Public, "--handshake", "--count", "1"])).Expect();
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        await Task.Delay(TimeSpan.FromSeconds(5.2), Lab.Deadline);
        (await pair.Second.Space.TryAsync([TunnelProgram.Tunnelctl, "ping", pair.Second.Interface, pair.First.Keys.Public, "--handshake", "--count", "1"])).Expect();
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, Count, Rate, 500)).Expect(0);

        // The first end loses the device and gets it back: sessions of before stand in the new program at once.
        await pair.First.Space.IpAsync($"link set {pair.First.Interface} down");
        await pair.First.Space.IpAsync($"link set {pair.First.Interface} up");
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(10));
        Dictionary<string, long> counts = await XdpSide.StatAsync(pair.First);
        Assert.Equal(0, counts["InHandshakeResponseInvalid"]);
        Assert.Equal(0, counts["InHandshakeFlood"]);
        Assert.Equal(0, counts["InMessageType"]);
    }

    [Fact]
    public async Task A_killed_daemon_leaves_nothing_attached_and_the_next_one_takes_over()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        Assert.Contains("xdp", await LinkAsync(pair), StringComparison.Ordinal);
        await pair.First.Daemon.SignalAsync("KILL");
        await pair.First.EndedAsync(TimeSpan.FromSeconds(5));
        await Eventually.TrueAsync(
            async () => !(await LinkAsync(pair)).Contains("xdp", StringComparison.Ordinal), static () => "the program is still attached", Lab.Deadline);
        await Ping.ExpectAsync(pair.First.Space, TunnelPair.SecondOuter4);

        await pair.First.RestartAsync();
        await pair.First.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24", $"{TunnelPair.First6}/64");
        await pair.First.SetPeerAsync(pair.Second, $"allowed-ips {TunnelPair.Second4}/32,{TunnelPair.Second6}/128 endpoint {pair.SecondEndpoint}");
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        await pair.ExpectPingsAsync();
        await XdpSide.ExpectFramesHomeAsync(pair.First);
    }

    [Theory]
    [InlineData("xdp", "xdp")]
    [InlineData("xdpgeneric", "xdpgeneric")]
    public async Task A_foreign_program_stays_until_its_owner_takes_it_away(string attach, string detach)
    {
        NetworkNamespace left = await Lab.NamespaceAsync();
        NetworkNamespace right = await Lab.NamespaceAsync();
        (string link, string far) = await NetworkNamespace.ConnectAsync(left, right);
        await left.IpAsync($"link set dev {link} {attach} obj {Path.Combine(TunnelProgram.Root, "native/xdp/outer.bpf.o")} sec xdp");
        await left.IpAsync($"address add {TunnelPair.FirstOuter4}/24 dev {link}");
        await right.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {far}");
        TunnelEnd first = await TunnelEnd.StartAsync(Lab, left, settings: Outer($"xdp:{link}"));
        TunnelEnd second = await TunnelEnd.StartAsync(Lab, right);
        await JoinAsync(first, second);

        string status = (await first.Space.RunAsync(TunnelProgram.Tunnelctl, "status", first.Interface)).Output;
        Assert.Matches($"no XDP on {link}: XDP program [1-9][0-9]* is attached there already.*; end its owner, or detach it with 'ip link set dev {link} {detach} off'; the UDP port carries the tunnel", status);
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second4);

        // The remedy is what the sentence says.
        await left.IpAsync($"link set dev {link} {detach} off");
        await XdpSide.ExpectAsync(first, $"xdp:{link}", seconds: 15);
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second4);
    }

    [Fact]
    public async Task A_device_that_goes_and_comes_back_under_traffic_is_followed()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        NetworkNamespace left = pair.First.Space;
        NetworkNamespace right = pair.Second.Space;
        await pair.First.Inner.StartAsync(["ping", "-i", "0.02", TunnelPair.Second4]);
        await left.IpAsync($"link del {pair.FirstLink}");
        await XdpSide.ExpectAsync(pair.First, "udp");
        await Lab.RunAsync("ip", "link", "add", pair.FirstLink, "netns", left.Name, "type", "veth", "peer", "name", pair.SecondLink, "netns", right.Name);
        await left.IpAsync($"address add {TunnelPair.FirstOuter4}/24 dev {pair.FirstLink}");
        await right.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {pair.SecondLink}");
        await left.IpAsync($"link set {pair.FirstLink} up");
        await right.IpAsync($"link set {pair.SecondLink} up");
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(10));
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(0);
        await pair.First.ExpectAliveAsync();
        await XdpSide.ExpectFramesHomeAsync(pair.First);
        Assert.DoesNotContain("frames are under way", pair.First.Daemon.Error + pair.First.Daemon.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Link_neighbour_route_and_mtu_changes_are_followed()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        NetworkNamespace left = pair.First.Space;
        await left.IpAsync($"link set {pair.FirstLink} down");
        await Task.Delay(300, Lab.Deadline);
        await left.IpAsync($"link set {pair.FirstLink} up");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));

        // The other end gets another Ethernet address and says so, as a machine that takes an address over does.
        await pair.Second.Space.IpAsync($"link set {pair.SecondLink} address 02:00:00:00:77:01");
        await left.IpAsync($"neigh replace {TunnelPair.SecondOuter4} lladdr 02:00:00:00:77:01 dev {pair.FirstLink} nud reachable");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));

        // A narrower way: the kernel breaks up what no longer fits.
        await left.IpAsync($"route add {TunnelPair.SecondOuter4}/32 dev {pair.FirstLink} mtu 1280");
        await Task.Delay(200, Lab.Deadline);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4, options: "-s 1392");

        // The way leads over another device now: the sockets send there, and this one keeps receiving what comes here.
        (string second, string far) = await NetworkNamespace.ConnectAsync(left, pair.Second.Space);
        await left.IpAsync($"address add 10.78.0.1/24 dev {second}");
        await pair.Second.Space.IpAsync($"address add 10.78.0.2/24 dev {far}");
        await left.IpAsync($"route replace {TunnelPair.SecondOuter4}/32 via 10.78.0.2 dev {second}");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(0);
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        await XdpSide.ExpectFramesHomeAsync(pair.First);
    }

    [Theory]
    [InlineData("-bpf,-sys_admin", "", "CAP_BPF")]
    [InlineData("-ipc_lock", "--memlock=65536", "RLIMIT_MEMLOCK")]
    public async Task Without_the_rights_the_sockets_carry_the_tunnel_and_the_reason_is_told(string capabilities, string limit, string word)
    {
        NetworkNamespace left = await Lab.NamespaceAsync();
        NetworkNamespace right = await Lab.NamespaceAsync();
        (string link, string far) = await NetworkNamespace.ConnectAsync(left, right);
        await left.IpAsync($"address add {TunnelPair.FirstOuter4}/24 dev {link}");
        await right.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {far}");
        string[] before = ["setpriv", "--bounding-set", capabilities, .. limit.Length > 0 ? ["prlimit", limit] : Array.Empty<string>()];
        TunnelEnd first = await TunnelEnd.StartAsync(Lab, left, settings: Outer($"xdp:{link}"), before: before);
        TunnelEnd second = await TunnelEnd.StartAsync(Lab, right);
        await JoinAsync(first, second);
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second4);
        string status = (await first.Space.RunAsync(TunnelProgram.Tunnelctl, "status", first.Interface)).Output;
        Assert.Contains("udp outside", status, StringComparison.Ordinal);
        Assert.Matches($"no XDP on {link}: .*{word}.*; the UDP port carries the tunnel", status);
        Assert.DoesNotContain("xdp", (await left.RunAsync("ip", "link", "show", link)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Auto_leaves_a_device_without_zero_copy_alone_and_two_daemons_share_none()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        TunnelEnd careful = await TunnelEnd.StartAsync(Lab, pair.Second.Space, settings: Outer($"auto:{pair.SecondLink}"));
        await careful.UpAsync(51900, 1420, "10.90.0.1/24");
        await Eventually.TrueAsync(
            async () => (await careful.Space.RunAsync(TunnelProgram.Tunnelctl, "status", careful.Interface)).Output
                .Contains($"auto stays with UDP: the driver of {pair.SecondLink} offers no zero-copy", StringComparison.Ordinal),
            static () => "auto does not say what it chose", Lab.Deadline);
        Assert.DoesNotContain("xdp", (await pair.Second.Space.RunAsync("ip", "link", "show", pair.SecondLink)).Output, StringComparison.Ordinal);

        TunnelEnd third = await TunnelEnd.StartAsync(Lab, pair.First.Space, settings: Outer($"xdp:{pair.FirstLink}"));
        await third.UpAsync(51901, 1420, "10.91.0.1/24");
        string status = (await third.Space.RunAsync(TunnelProgram.Tunnelctl, "status", third.Interface)).Output;
        Assert.Matches($"no XDP on {pair.FirstLink}: XDP program [0-9]+ is attached there already, the one of another tunnel \\(outer[a-z_]*\\), and a device serves one process; .*; the UDP port carries the tunnel", status);
        await pair.ExpectPingsAsync();
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task Frames_lie_in_huge_pages_where_there_are_some_and_status_says_where_there_are_not()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        await pair.ExpectPingsAsync();
        Assert.Matches("Frames lie in ordinary pages, since [0-9]+ huge ones are not free: .*vm.nr_hugepages", await XdpSide.TextAsync(pair.First));
        string before = (await Lab.RunAsync("sysctl", "-n", "vm.nr_hugepages")).Output.Trim();
        try
        {
            await Lab.RunAsync("sysctl", "-q", "-w", "vm.nr_hugepages=40");
            await pair.First.SetAsync("listen-port 51999");
            await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
            Assert.DoesNotContain("ordinary pages", await XdpSide.TextAsync(pair.First), StringComparison.Ordinal);
            await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(5));
            await XdpSide.ExpectFramesHomeAsync(pair.First);
            await pair.First.StopAsync();
        }
        finally
        {
            await Lab.RunAsync("sysctl", "-q", "-w", $"vm.nr_hugepages={before}");
        }
    }

    [Fact]
    public async Task Busy_polling_puts_interrupts_off_and_the_end_puts_them_back()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions
        {
            FirstXdp = true,
            Settings = new Dictionary<string, string?> { ["TUNNELBOX__BUSYPOLL"] = "50" },
        });
        string folder = $"/sys/class/net/{pair.FirstLink}";
        Task<CommandResult> ReadAsync() => pair.First.Space.RunAsync("cat", $"{folder}/napi_defer_hard_irqs", $"{folder}/gro_flush_timeout");
        Assert.Equal("2\n200000\n", (await ReadAsync()).Output);
        Assert.DoesNotContain("Busy polling", await XdpSide.TextAsync(pair.First), StringComparison.Ordinal);
        await pair.ExpectPingsAsync();
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, 500)).Expect(0);
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, Count, Rate, 500)).Expect(0);
        await XdpSide.ExpectFramesHomeAsync(pair.First);
        await pair.First.Daemon.SignalAsync("TERM");
        await pair.First.EndedAsync(TimeSpan.FromSeconds(10));
        Assert.Equal("0\n0\n", (await ReadAsync()).Output);

        // A daemon that is killed puts nothing back; the next one does, whatever it is asked to do itself.
        await pair.First.RestartAsync();
        await pair.First.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24");
        await XdpSide.ExpectAsync(pair.First, $"xdp:{pair.FirstLink}");
        Assert.Equal("2\n200000\n", (await ReadAsync()).Output);
        await pair.First.Daemon.SignalAsync("KILL");
        await pair.First.EndedAsync(TimeSpan.FromSeconds(5));
        Assert.Equal("2\n200000\n", (await ReadAsync()).Output);
        await pair.First.RestartAsync(new Dictionary<string, string?>());
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => (await ReadAsync()).Output == "0\n0\n", "interrupts stay put off after a kill");
        Assert.Contains($"interrupts of {pair.FirstLink}, put off by a process that was killed, are as they were before", pair.First.Daemon.Error + pair.First.Daemon.Output, StringComparison.Ordinal);
    }

    private static Dictionary<string, string?> Outer(string port) => XdpSide.Setting(port);

    private static async Task JoinAsync(TunnelEnd first, TunnelEnd second)
    {
        await first.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24");
        await second.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24");
        await first.SetPeerAsync(second, $"allowed-ips {TunnelPair.Second4}/32 endpoint {TunnelPair.SecondOuter4}:{TunnelPair.SecondPort}");
        await second.SetPeerAsync(first, $"allowed-ips {TunnelPair.First4}/32 endpoint {TunnelPair.FirstOuter4}:{TunnelPair.FirstPort}");
    }

    private static async Task<string> LinkAsync(TunnelPair pair) =>
        (await pair.First.Space.RunAsync("ip", "link", "show", pair.FirstLink)).Output;

    // Datagrams received and sent by the kernel's UDP in this namespace.
    private static async Task<long[]> KernelUdpAsync(NetworkNamespace space, bool ipv6)
    {
        if (ipv6)
        {
            string six = (await space.RunAsync("cat", "/proc/net/snmp6")).Output;
            return [.. new[] { "Udp6InDatagrams", "Udp6OutDatagrams" }.Select(name =>
                long.Parse(Regex.Match(six, name + @"\s+([0-9]+)", RegexOptions.None, TimeSpan.FromSeconds(1)).Groups[1].ValueSpan, CultureInfo.InvariantCulture))];
        }

        string[] words = (await space.RunAsync("cat", "/proc/net/snmp")).Output.Split('\n').Last(line => line.StartsWith("Udp:", StringComparison.Ordinal)).Split(' ');
        return [long.Parse(words[1], CultureInfo.InvariantCulture), long.Parse(words[4], CultureInfo.InvariantCulture)];
    }
}
