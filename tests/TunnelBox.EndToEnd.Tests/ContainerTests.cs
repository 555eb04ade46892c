using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The image as it ships, run by podman with what the manual says it needs and no more.</summary>
[Trait("Load", "light")]
public class ContainerTests(ITestOutputHelper output, ImageStore store) : EndToEndTest(output, 120), IClassFixture<ImageStore>
{
    private const string Left = "10.78.0.1", Right = "10.78.0.2", Left4 = "192.168.78.1", Right4 = "192.168.78.2";
    private const int Port = 51820;
    private const ulong NetAdmin = 1 << 12, NetRaw = 1 << 13, IpcLock = 1 << 14, Perfmon = 1UL << 38, Bpf = 1UL << 39;

    private NetworkNamespace _left = null!;
    private NetworkNamespace _right = null!;
    private string _leftLink = "";

    [Fact]
    public async Task Two_sidecars_pass_traffic_with_one_capability_and_stop_when_asked()
    {
        (Sidecar one, Sidecar two) = await PairAsync(new SidecarOptions { Start = SidecarStart.File }, new SidecarOptions { Start = SidecarStart.Variables });
        await Ping.ExpectAsync(_left, Right4);
        await Ping.ExpectAsync(_right, Left4);
        Assert.Contains("Interface PrivateKey = (hidden) (from TUNNELBOX__INTERFACE__PRIVATEKEY_FILE)", two.Run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(two.Keys.Private, two.Run.Error + two.Run.Output, StringComparison.Ordinal);
        (await Transfer.UdpAsync(Lab, _left, _right, Right4, 2000, 1000, 1200)).Expect(mayBeLost: 0);
        await ExpectOnlyAsync(one, NetAdmin);

        var watch = Stopwatch.StartNew();
        (await two.PodmanAsync("stop", "--time", "10")).Expect();
        CommandResult ended = await two.Run.WaitAsync(Lab.Deadline);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"the stop took {watch.Elapsed}");
        Assert.Equal(0, ended.ExitCode);
        Assert.False(await _right.HasLinkAsync(Sidecar.Interface));
    }

    [Theory]
    [Trait("Tier", "all")]
    [InlineData("2022", SidecarStart.Variables)]
    [InlineData("2022", SidecarStart.Tool)]
    [InlineData("2023", SidecarStart.File)]
    public async Task It_talks_to_wireguard_go(string release, object start)
    {
        await LinkAsync();
        TunnelProgram go = release == "2022" ? await TunnelProgram.WireGuardGo2022Async() : await TunnelProgram.WireGuardGo2023Async();
        TunnelEnd far = await TunnelEnd.StartAsync(Lab, _right, go);
        await far.UpAsync(Port, 1420, $"{Right4}/24");
        Sidecar near = await Sidecar.PrepareAsync(Lab, store, _left, $"{Left4}/24");
        await near.StartAsync(Port, new SidecarPeer(far.Keys.Public, $"{Right4}/32", $"{Right}:{Port}"), new SidecarOptions { Start = (SidecarStart)start });
        await far.SetAsync($"peer {near.Keys.Public} allowed-ips {Left4}/32 endpoint {Left}:{Port}");
        await Ping.UntilAnsweredAsync(_left, Right4, TimeSpan.FromSeconds(12));
        await Transfer.ExpectTcpAsync(Lab, _left, _right, Right4, 16 << 20);
        await Transfer.ExpectTcpAsync(Lab, _right, _left, Left4, 16 << 20);
    }

    [Theory]
    [Trait("Tier", "all")]
    [InlineData(SidecarStart.File)]
    [InlineData(SidecarStart.Variables)]
    public async Task A_killed_one_is_started_again_and_meets_its_peer(object start)
    {
        (Sidecar one, _) = await PairAsync(new SidecarOptions { Start = (SidecarStart)start });
        await Ping.ExpectAsync(_left, Right4);
        (await one.PodmanAsync("kill", "--signal", "KILL")).Expect();
        Assert.Equal(137, (await one.Run.WaitAsync(Lab.Deadline)).ExitCode);
        await one.RestartAsync();
        await Ping.UntilAnsweredAsync(_left, Right4, TimeSpan.FromSeconds(12));
        // And once more by the orchestrator's own way, which asks first.
        (await one.PodmanAsync("restart", "--time", "10")).Expect();
        await Ping.UntilAnsweredAsync(_left, Right4, TimeSpan.FromSeconds(12));
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task It_runs_where_programs_can_gain_nothing_by_exec()
    {
        (Sidecar one, _) = await PairAsync(new SidecarOptions { More = ["--security-opt=no-new-privileges"] });
        await Ping.ExpectAsync(_left, Right4);
        await ExpectOnlyAsync(one, NetAdmin);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task Another_runtime_runs_it_as_well()
    {
        (Sidecar one, Sidecar two) = await PairAsync(new SidecarOptions { Runtime = "crun" });
        await Ping.ExpectAsync(_left, Right4);
        await ExpectOnlyAsync(one, NetAdmin);
        int process = await two.ProcessAsync();
        await Lab.RunAsync("kill", "-TERM", process.ToString(CultureInfo.InvariantCulture));
        Assert.Equal(0, (await two.Run.WaitAsync(Lab.Deadline)).ExitCode);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task AF_XDP_takes_four_capabilities_more_and_a_profile_that_lets_bpf_pass()
    {
        await LinkAsync();
        (Sidecar one, _) = await PairAsync(OverXdp() with { More = ["--security-opt=seccomp=unconfined"] }, new SidecarOptions());
        await Ping.ExpectAsync(_left, Right4);
        await one.Run.WaitForOutputAsync($"XDP on {_leftLink} is in", Lab.Deadline);
        await Ping.ExpectAsync(_left, Right4);
        Assert.Contains($"xdp:{_leftLink}", (await one.TunnelctlAsync("status", Sidecar.Interface, "--json")).Output, StringComparison.Ordinal);
        await Transfer.ExpectTcpAsync(Lab, _left, _right, Right4, 8 << 20);
        await ExpectOnlyAsync(one, NetAdmin | NetRaw | IpcLock | Bpf | Perfmon);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_profile_that_forbids_bpf_is_named_with_the_line_that_lifts_it_and_UDP_carries_the_tunnel()
    {
        await LinkAsync();
        string profile = Path.Combine(Lab.Folder, "profile.json");
        await File.WriteAllTextAsync(profile, """{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["bpf"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}""");
        (Sidecar one, _) = await PairAsync(OverXdp() with { More = [$"--security-opt=seccomp={profile}"] }, new SidecarOptions());
        await one.Run.WaitForOutputAsync($"no XDP on {_leftLink}: the capabilities are there, but bpf(2) is forbidden", Lab.Deadline);
        Assert.Contains("securityContext.seccompProfile: {type: Unconfined}", one.Run.Error, StringComparison.Ordinal);
        Assert.Contains("the UDP port carries the tunnel", one.Run.Error, StringComparison.Ordinal);
        await Ping.ExpectAsync(_left, Right4);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_default_route_names_the_setting_that_it_cannot_write_and_runs_where_that_is_set()
    {
        await LinkAsync();
        await _left.RunAsync("sysctl", "-q", "-w", "net.ipv4.conf.all.src_valid_mark=0");
        Sidecar one = await Sidecar.PrepareAsync(Lab, store, _left, $"{Left4}/24");
        Sidecar two = await Sidecar.PrepareAsync(Lab, store, _right, $"{Right4}/24");
        SidecarPeer peer = new(two.Keys.Public, "0.0.0.0/0", $"{Right}:{Port}");
        CommandResult refused = await one.TryAsync(Port, peer, new SidecarOptions());
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("net.ipv4.conf.all.src_valid_mark=1", refused.Error, StringComparison.Ordinal);
        Assert.Contains("securityContext.sysctls", refused.Error, StringComparison.Ordinal);
        Assert.False(await _left.HasLinkAsync(Sidecar.Interface));
        Assert.Empty((await _left.RunAsync("nft", "list", "ruleset")).Output.Trim());

        await _left.RunAsync("sysctl", "-q", "-w", "net.ipv4.conf.all.src_valid_mark=1");
        one = await Sidecar.PrepareAsync(Lab, store, _left, $"{Left4}/24");
        await one.StartAsync(Port, peer, new SidecarOptions());
        await two.StartAsync(Port, new SidecarPeer(one.Keys.Public, $"{Left4}/32", null), new SidecarOptions());
        await Ping.UntilAnsweredAsync(_left, Right4, TimeSpan.FromSeconds(12));
        Assert.Contains($"dev {Sidecar.Interface}", (await _left.RunAsync("ip", "route", "get", "203.0.113.1")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [Trait("Tier", "all")]
    [InlineData("file", "/etc/wireguard/wg0.conf:10: AllowdIPs: ")]
    [InlineData("variable", "TUNNELBOX__INTERFACE__MTUU: there is no such key")]
    [InlineData("key", "TUNNELBOX__INTERFACE__PRIVATEKEY_FILE: ")]
    [InlineData("setting", "TUNNELBOX__WORKERS")]
    public async Task A_wrong_configuration_is_told_in_one_sentence_with_its_place(string wrong, string told)
    {
        await LinkAsync();
        Sidecar one = await Sidecar.PrepareAsync(Lab, store, _left, $"{Left4}/24");
        SidecarOptions options = wrong switch
        {
            "file" => new SidecarOptions(),
            "variable" => new SidecarOptions { Start = SidecarStart.Variables, Variables = ["TUNNELBOX__INTERFACE__MTUU=1400"] },
            "key" => new SidecarOptions { Start = SidecarStart.Tool, Variables = ["TUNNELBOX__INTERFACE__PRIVATEKEY_FILE=/run/secrets/nowhere"] },
            _ => new SidecarOptions { Start = SidecarStart.Variables, Variables = ["TUNNELBOX__WORKERS=many"] },
        };
        CommandResult refused = await one.TryAsync(Port, new SidecarPeer(one.Keys.Public, $"{Right4}/32", null), options, wrong == "file" ? "AllowdIPs = 10.0.0.0/8\n" : "");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(told, refused.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(one.Keys.Private, refused.Error + refused.Output, StringComparison.Ordinal);
        Assert.False(await _left.HasLinkAsync(Sidecar.Interface));
    }

    [Theory]
    [Trait("Tier", "all")]
    [InlineData("capability", "CAP_NET_ADMIN is missing", "capabilities.add: [\"NET_ADMIN\"]")]
    [InlineData("xdp", "CAP_BPF is missing", "capabilities.add: [\"BPF\"]")]
    [InlineData("tun", "/dev/net/tun is missing", "{path: /dev/net/tun, type: CharDevice}")]
    [InlineData("run", "/run/wireguard", "emptyDir {medium: Memory} mounted at /run")]
    public async Task What_is_missing_is_named_with_the_line_that_grants_it(string lacks, string thing, string line)
    {
        await LinkAsync();
        SidecarOptions options = lacks switch
        {
            "capability" => new SidecarOptions { Capabilities = [] },
            "xdp" => new SidecarOptions { Variables = ["TUNNELBOX__OuterPort=xdp:eth0"] },
            "tun" => new SidecarOptions { Tun = false },
            _ => new SidecarOptions { Writable = false },
        };
        Sidecar one = await Sidecar.PrepareAsync(Lab, store, _left, $"{Left4}/24");
        CommandResult refused = await one.TryAsync(Port, new SidecarPeer(one.Keys.Public, $"{Right4}/32", null), options);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains(thing, refused.Error, StringComparison.Ordinal);
        Assert.Contains(line, refused.Error, StringComparison.Ordinal);
        Assert.False(await _left.HasLinkAsync(Sidecar.Interface));
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task The_image_is_small_has_no_shell_and_says_what_it_is_made_of()
    {
        Assert.InRange(new FileInfo(ImageStore.Archive).Length, 1, 40_000_000);
        string root = (await RunningProcess.RunAsync(store.Podman("image", "mount", store.Image), Lab.Deadline)).Expect().Output.Trim();
        try
        {
            string[] programs = [.. Directory.GetFiles(Path.Combine(root, "usr/bin")).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];
            Assert.Equal(["libtunnelbox-probes.so", "tunnelbox", "tunnelbox-launch", "tunnelctl"], programs);
            Assert.False(Directory.Exists(Path.Combine(root, "usr/sbin")));
            using JsonDocument parts = JsonDocument.Parse(File.ReadAllText(Path.Combine(root, "usr/share/sbom/tunnelbox.cdx.json")));
            string[] names = [.. parts.RootElement.GetProperty("components").EnumerateArray().Select(part => part.GetProperty("name").GetString()!)];
            foreach (string name in (string[])["libc6", "libsodium23", "libbpf1", "Microsoft.NETCore.App.Runtime.linux-x64", "Microsoft.Extensions.Configuration"])
            {
                Assert.Contains(name, names);
            }

            foreach (string name in names)
            {
                Assert.NotEmpty(Directory.GetFiles(Path.Combine(root, "usr/share/licenses", name)));
            }
        }
        finally
        {
            await RunningProcess.RunAsync(store.Podman("image", "umount", store.Image), CancellationToken.None);
        }
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task The_same_programs_make_the_same_image()
    {
        string again = Path.Combine(Lab.Folder, "again.tar");
        await Lab.RunAsync("env", "BUILT=1", $"IMAGE={again}", Path.Combine(TunnelProgram.Root, ".ci", "image"));
        Assert.Equal(
            File.ReadAllText(Path.ChangeExtension(ImageStore.Archive, ".digest")), File.ReadAllText(Path.ChangeExtension(again, ".digest")));
    }

    private async Task LinkAsync()
    {
        _left = await Lab.NamespaceAsync();
        _right = await Lab.NamespaceAsync();
        (_leftLink, string rightLink) = await NetworkNamespace.ConnectAsync(_left, _right);
        await _left.IpAsync($"address add {Left}/24 dev {_leftLink}");
        await _right.IpAsync($"address add {Right}/24 dev {rightLink}");
    }

    private async Task<(Sidecar One, Sidecar Two)> PairAsync(SidecarOptions options, SidecarOptions? others = null)
    {
        if (_left is null)
        {
            await LinkAsync();
        }

        Sidecar one = await Sidecar.PrepareAsync(Lab, store, _left!, $"{Left4}/24");
        Sidecar two = await Sidecar.PrepareAsync(Lab, store, _right, $"{Right4}/24");
        await Task.WhenAll(
            one.StartAsync(Port, new SidecarPeer(two.Keys.Public, $"{Right4}/32", $"{Right}:{Port}"), options),
            two.StartAsync(Port, new SidecarPeer(one.Keys.Public, $"{Left4}/32", $"{Left}:{Port}"), others ?? options));
        return (one, two);
    }

    // The frames take more locked memory than a container is commonly allowed.
    private SidecarOptions OverXdp() => new()
    {
        Capabilities = ["NET_ADMIN", "NET_RAW", "BPF", "PERFMON", "IPC_LOCK"],
        Variables = [$"TUNNELBOX__OUTERPORT=xdp:{_leftLink}"],
    };

    /// <summary>Every thread holds these capabilities and can hold no others; its calls are filtered, and nobody but root reads its memory.</summary>
    private static async Task ExpectOnlyAsync(Sidecar one, ulong capabilities)
    {
        int process = await one.ProcessAsync();
        string[] threads = Directory.GetDirectories($"/proc/{process}/task");
        Assert.True(threads.Length > 5);
        foreach (string thread in threads)
        {
            Dictionary<string, string> status = File.ReadAllLines(thread + "/status").Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim());
            foreach (string set in (string[])["CapPrm", "CapEff", "CapBnd", "CapAmb"])
            {
                Assert.Equal(capabilities, ulong.Parse(status[set], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            }

            Assert.Equal(("1", "2", "65532"), (status["NoNewPrivs"], status["Seccomp"], status["Uid"].Split('\t')[0]));
        }

        // Keys lie in locked memory, and a limit of none keeps them out of dumps.
        Dictionary<string, string> whole = File.ReadAllLines($"/proc/{process}/status").Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim());
        Assert.InRange(int.Parse(whole["VmLck"].Split(' ')[0], CultureInfo.InvariantCulture), 4, int.MaxValue);
        string cores = File.ReadAllLines($"/proc/{process}/limits").Single(line => line.StartsWith("Max core file size", StringComparison.Ordinal));
        Assert.Matches("size +[01] +[01] ", cores);

        // What belongs to root here although the process does not: PR_SET_DUMPABLE.
        CommandResult owner = (await RunningProcess.RunAsync(["stat", "-c", "%u", $"/proc/{process}/mem"], CancellationToken.None)).Expect();
        Assert.Equal("0", owner.Output.Trim());
    }
}
