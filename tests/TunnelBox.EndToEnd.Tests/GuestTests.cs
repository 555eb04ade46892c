using System.Globalization;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>What this machine lacks, in virtual machines: cards with zero-copy, drivers without it, and the kernel's own WireGuard.</summary>
public class GuestTests(ITestOutputHelper output) : EndToEndTest(output, 480)
{
    // Behind an IOMMU the driver maps buffers by the kernel's DMA interface, as zero-copy needs.
    private const string VirtioWithDma = "virtio-net-pci,iommu_platform=on,disable-legacy=on";

    /// <summary>Kernel, card, outer IPv6, preshared key, whether to wait for a rekey.</summary>
    public static TheoryData<string, string, bool, bool, bool> Kernels => new()
    {
        { "backports", "virtio-net-pci", false, true, true },
        { "sid", "igb", true, false, false },
    };

    [Fact]
    public async Task Zero_copy_carries_the_tunnel_on_both_queues_of_a_card_and_so_does_the_kernels_WireGuard()
    {
        Guest guest = await Guest.BootAsync(Lab, "sid", "igb", limitSeconds: 240);
        TunnelEnd host = await guest.PeerAsync(Lab);
        await guest.RunAsync("ethtool -N eth0 rx-flow-hash udp4 sdfn");
        await guest.StartDaemonAsync("TUNNELBOX__OUTERPORT=xdp:eth0");
        await guest.JoinAsync(host);
        await ExpectZeroCopyAsync(guest, 2);
        await ExpectPingsAsync(guest, host);
        await Ping.ExpectAsync(host.Inner, TunnelPair.First6);
        await ExpectBothQueuesAsync(guest, host);
        await guest.ExpectSentAsync(TunnelPair.Second4, 300_000);
        await guest.ExpectReceivedAsync(TunnelPair.First6, 300_000);
        await ExpectNothingLostAsync(guest);

        // The kernel's WireGuard takes the guest's side over: the bulk, a preshared key, and a rekey under traffic.
        await guest.EndDaemonAsync("TERM");
        await host.StopAsync();
        host = await KernelTunnel.MeetAsync(Lab, guest, preshared: true);
        await KernelTunnel.ExpectAsync(Lab, guest, host, guestBegins: true);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task Zero_copy_outlives_restarts_and_a_link_that_goes_down_and_comes_up()
    {
        Guest guest = await Guest.BootAsync(Lab, "sid", "igb", limitSeconds: 400);
        TunnelEnd host = await guest.PeerAsync(Lab, await TunnelProgram.WireGuardGo2023Async());
        await guest.RunAsync("ethtool -N eth0 rx-flow-hash udp4 sdfn");
        foreach (string signal in (string[])["TERM", "KILL", ""])
        {
            await guest.StartDaemonAsync("TUNNELBOX__OUTERPORT=xdp:eth0", "TUNNELBOX__WORKERS=2");
            await guest.JoinAsync(host);
            await ExpectZeroCopyAsync(guest, 2);
            await ExpectPingsAsync(guest, host);
            if (signal.Length > 0)
            {
                await guest.EndDaemonAsync(signal);
                Assert.DoesNotContain("xdp", await guest.RunAsync("ip link show eth0"), StringComparison.Ordinal);
            }
        }

        for (int i = 0; i < 3; i++)
        {
            await guest.RunAsync("ip link set eth0 down; sleep 0.5; ip link set eth0 up");
            await ExpectPingsAsync(guest, host);
            await ExpectZeroCopyAsync(guest, 2);
        }

        // A link that goes down loses its IPv6 addresses.
        await guest.RunAsync($"ip address replace {TunnelPair.FirstOuter6}/64 dev eth0 nodad");
        await ExpectBothQueuesAsync(guest, host);
        await guest.RunAsync($"wg set {Guest.Tunnel} peer {host.Keys.Public} endpoint [{TunnelPair.SecondOuter6}]:{await ListenPortAsync(host)}");
        await guest.ExpectSentAsync(TunnelPair.Second4, 2_000_000);
        await guest.ExpectReceivedAsync(TunnelPair.First6, 2_000_000);
        await ExpectNothingLostAsync(guest);
    }

    [Theory]
    [Trait("Tier", "all")]
    [InlineData("virtio-net-pci", "copy", "the driver of eth0 refuses zero-copy: Invalid argument (EINVAL)")]
    [InlineData("e1000e", "generic", "the driver of eth0 does not run XDP programs: Operation not supported (EOPNOTSUPP)")]
    [InlineData(VirtioWithDma, "zerocopy", "")]
    public async Task Each_driver_gets_the_best_mode_it_has_and_the_reason_for_no_better_one_is_told(string card, string mode, string reason)
    {
        Guest guest = await Guest.BootAsync(Lab, "sid", card, limitSeconds: 240);
        TunnelEnd host = await guest.PeerAsync(Lab);
        await guest.StartDaemonAsync("TUNNELBOX__OUTERPORT=xdp:eth0");
        await guest.JoinAsync(host);
        await ExpectModeAsync(guest, mode, 1, reason);
        await ExpectPingsAsync(guest, host);
        await guest.ExpectSentAsync(TunnelPair.Second4, 1_000_000);
        await guest.ExpectReceivedAsync(TunnelPair.First6, 1_000_000);
        await ExpectNothingLostAsync(guest);

        // Left to choose, it takes a device whose driver says that it can do without copies.
        await guest.EndDaemonAsync("TERM");
        await guest.StartDaemonAsync("TUNNELBOX__OUTERPORT=auto:eth0");
        await guest.JoinAsync(host);
        if (mode == "generic")
        {
            await guest.UntilAsync($"tunnelctl status {Guest.Tunnel} | grep -q 'auto stays with UDP: the driver of eth0 offers no zero-copy'", 20);
            Assert.DoesNotContain("xdp", await guest.RunAsync("ip link show eth0"), StringComparison.Ordinal);
        }
        else
        {
            await ExpectModeAsync(guest, mode, 1, reason);
        }

        await ExpectPingsAsync(guest, host);
    }

    [Theory]
    [Trait("Tier", "all")]
    [MemberData(nameof(Kernels))]
    public async Task Traffic_passes_to_and_from_the_kernels_WireGuard(string kernel, string card, bool outerIpv6, bool preshared, bool rekey)
    {
        Guest guest = await Guest.BootAsync(Lab, kernel, card, limitSeconds: rekey ? 400 : 240);
        string? secret = preshared ? await TunnelKeys.PresharedAsync(Lab.Deadline) : null;
        TunnelEnd host = await guest.PeerAsync(Lab, preshared: secret);
        await guest.RunAsync($"ip link add {Guest.Tunnel} type wireguard");
        await guest.JoinAsync(host, outerIpv6, secret);
        string outer = outerIpv6 ? $"[{TunnelPair.FirstOuter6}]" : TunnelPair.FirstOuter4;

        // The kernel begins; the first packet waits for the handshake.
        await guest.RunAsync($"ping -c 1 -W 5 {TunnelPair.Second4}");
        Assert.Equal($"{outer}:{TunnelPair.FirstPort}", (await host.DumpAsync()).Peers.Single().Endpoint);
        await Ping.ExpectAsync(host.Inner, TunnelPair.First6);
        await guest.ExpectSentAsync(TunnelPair.Second4, 20_000_000);
        await guest.ExpectReceivedAsync(TunnelPair.First6, 20_000_000);
        await guest.ExpectSentAsync(TunnelPair.Second6, 1_000_000);
        await guest.ExpectReceivedAsync(TunnelPair.First4, 1_000_000);

        // Ours begins: the kernel has forgotten the session and knows no endpoint.
        await guest.RunAsync($"wg set {Guest.Tunnel} peer {host.Keys.Public} remove");
        await guest.RunAsync($"wg set {Guest.Tunnel} peer {host.Keys.Public} {(preshared ? "preshared-key /tmp/psk" : "")} allowed-ips {TunnelPair.Second4}/32,{TunnelPair.Second6}/128");
        await Ping.UntilAnsweredAsync(host.Inner, TunnelPair.First4, TimeSpan.FromSeconds(30));
        if (!rekey)
        {
            return;
        }

        // No packet is lost when the session is renewed after 120 s.
        string before = await guest.RunAsync($"wg show {Guest.Tunnel} latest-handshakes");
        RunningProcess pings = await host.Inner.StartAsync(["ping", "-n", "-q", "-i", "0.25", "-c", "520", TunnelPair.First4]);
        await guest.UntilAsync($"[ \"$(wg show {Guest.Tunnel} latest-handshakes)\" != '{before.Trim()}' ]", 140);
        CommandResult answers = await pings.WaitAsync(Lab.Deadline);
        Assert.Contains("520 packets transmitted, 520 received", answers.Output, StringComparison.Ordinal);
        await guest.ExpectSentAsync(TunnelPair.Second4, 1_000_000);
        await guest.ExpectReceivedAsync(TunnelPair.First6, 1_000_000);
    }

    // The card is the local network's device; behind the guest, in a namespace of its own, the kernel's WireGuard is the tunnel's other end.
    [Fact]
    [Trait("Tier", "all")]
    public async Task The_inner_side_of_a_gateway_is_zero_copy_too()
    {
        const string Far = "10.2.0.2", In = "ip netns exec far";
        Guest guest = await Guest.BootAsync(Lab, "sid", "igb", limitSeconds: 240, modules: "veth");
        TunnelKeys far = await TunnelKeys.MakeAsync(Lab.Deadline);
        await guest.RunAsync($"""
            umask 077; echo {far.Private} >/tmp/far; echo {guest.Keys.Private} >/tmp/key; ethtool -N eth0 rx-flow-hash udp4 sdfn
            sysctl -q -w net.ipv4.ip_forward=1 && mkdir -p /run/netns && ip netns add far && ip -n far link set lo up &&
            ip link add out type veth peer name in netns far && ip address add 10.76.0.1/24 dev out && ip link set out up &&
            ip -n far address add 10.76.0.2/24 dev in && ip -n far link set in up && ip -n far link add wg1 type wireguard &&
            {In} wg set wg1 private-key /tmp/far listen-port 51821 peer {guest.Keys.Public} allowed-ips 10.77.0.0/24 endpoint 10.76.0.1:51820 &&
            ip -n far address add {Far}/32 dev wg1 && ip -n far link set wg1 mtu 1420 up && ip -n far route add 10.77.0.0/24 dev wg1
            """);
        await guest.StartDaemonAsync("TUNNELBOX__INNERPORT=auto:eth0", "TUNNELBOX__WORKERS=2");
        await guest.RunAsync($"""
            wg set {Guest.Tunnel} private-key /tmp/key listen-port 51820 peer {far.Public} allowed-ips {Far}/32 endpoint 10.76.0.2:51821 &&
            ip link set {Guest.Tunnel} mtu 1420 up && ip route add {Far}/32 dev {Guest.Tunnel}
            """);
        await guest.Space.IpAsync($"route add {Far}/32 via {TunnelPair.FirstOuter4}");
        await guest.UntilAsync($"tunnelctl status {Guest.Tunnel} | grep -q 'xdp:eth0 inside'", 60);
        string status = await guest.RunAsync($"tunnelctl status {Guest.Tunnel}");
        Assert.Matches("lan queue 0 +zerocopy, worker 0", status);
        Assert.Matches("lan queue 1 +zerocopy, worker 1", status);
        await Ping.UntilAnsweredAsync(guest.Space, Far, TimeSpan.FromSeconds(30));
        const string Forwarded = "awk '/^Ip:/ { count = $7 } END { print count }' /proc/net/snmp";
        long before = long.Parse(await guest.RunAsync(Forwarded), CultureInfo.InvariantCulture);
        await guest.ExpectReceivedAsync(Far, 500_000, In);
        await guest.ExpectSentAsync(TunnelPair.SecondOuter4, 500_000, In);
        Assert.InRange(long.Parse(await guest.RunAsync(Forwarded), CultureInfo.InvariantCulture) - before, 0, 100);
        await ExpectNothingLostAsync(guest);
    }

    // One card towards the other end, one towards a local network: frames of both lie in one memory, which each card reads and writes itself.
    [Fact]
    [Trait("Tier", "all")]
    public async Task A_gateway_between_two_cards_shares_one_zero_copy_memory_and_leaves_large_frames_to_the_kernel()
    {
        const string Host = "10.1.0.2";
        Guest guest = await Guest.BootAsync(Lab, "sid", "igb", limitSeconds: 300, second: "igb");
        NetworkNamespace lan = await Lab.NamespaceAsync();
        await guest.Space.IpAsync($"link set {Guest.SecondLink} netns {lan.Name}");
        await lan.IpAsync($"address add {Host}/24 dev {Guest.SecondLink}");
        await lan.IpAsync($"link set {Guest.SecondLink} up");
        await lan.IpAsync("route add default via 10.1.0.1");
        TunnelEnd host = await guest.PeerAsync(Lab);
        await host.SetAsync($"peer {guest.Keys.Public} allowed-ips {TunnelPair.First4}/32,10.1.0.0/24");
        await host.Space.IpAsync($"route add 10.1.0.0/24 dev {host.Interface}");
        await guest.RunAsync("sysctl -q -w net.ipv4.ip_forward=1; ip address add 10.1.0.1/24 dev eth1; ip link set eth1 up; ethtool -N eth0 rx-flow-hash udp4 sdfn");
        await guest.StartDaemonAsync("TUNNELBOX__OUTERPORT=xdp:eth0", "TUNNELBOX__INNERPORT=xdp:eth1", "TUNNELBOX__WORKERS=2");
        await guest.JoinAsync(host);
        await ExpectZeroCopyAsync(guest, 2);
        await guest.UntilAsync($"tunnelctl status {Guest.Tunnel} | grep -q 'xdp:eth1 inside'", 60);
        string status = await guest.RunAsync($"tunnelctl status {Guest.Tunnel}");
        Assert.Matches("lan queue 0 +zerocopy, worker 0", status);
        Assert.Matches("lan queue 1 +zerocopy, worker 1", status);
        Assert.Matches("Frames of eth[01] and eth[01] lie in one memory of [0-9]+ MiB: a packet leaves in the frame it came in.", status);
        foreach (string card in (string[])["eth0", "eth1"])
        {
            Assert.Contains($"Frames of {card} larger than a chunk go by the kernel, since frames in several chunks cannot be had: ", status, StringComparison.Ordinal);
        }

        await Ping.UntilAnsweredAsync(lan, TunnelPair.Second4, TimeSpan.FromSeconds(30));
        const string Forwarded = "awk '/^Ip:/ { count = $7 } END { print count }' /proc/net/snmp";
        long before = long.Parse(await guest.RunAsync(Forwarded), CultureInfo.InvariantCulture);
        await Transfer.ExpectTcpAsync(Lab, lan, host.Inner, TunnelPair.Second4, 1_000_000);
        await Transfer.ExpectTcpAsync(Lab, host.Inner, lan, Host, 1_000_000);
        Assert.InRange(long.Parse(await guest.RunAsync(Forwarded), CultureInfo.InvariantCulture) - before, 0, 100);
        await ExpectNothingLostAsync(guest);
    }

    [Fact]
    public async Task A_kernel_that_cannot_be_had_is_a_sentence_that_says_what_to_do()
    {
        CommandResult result = await RunningProcess.RunAsync(
            [Path.Combine(TunnelProgram.Root, "interop/vm/fetch"), "sid"],
            Lab.Deadline,
            environment: new Dictionary<string, string?> { ["TUNNELBOX_CACHE"] = Lab.Folder, ["DEBIAN_MIRROR"] = "http://127.0.0.1:9/debian" });
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("let this machine reach http://127.0.0.1:9/debian (or set DEBIAN_MIRROR to a mirror it reaches), then run interop/vm/fetch sid", result.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(Path.Combine(Lab.Folder, "vm")));
    }

    [Fact]
    public async Task A_guest_dies_with_the_script_that_started_it()
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        await using RunningProcess machine = await Guest.StartAsync(Lab, space, "sid", "igb");
        await Eventually.TrueAsync(async () => (await space.ProcessesAsync()).Length == 1, static () => "the guest never started", Lab.Deadline);
        await machine.SignalAsync("KILL");
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => (await space.ProcessesAsync()).Length == 0, "the guest lives on");
    }

    private static Task ExpectZeroCopyAsync(Guest guest, int queues) => ExpectModeAsync(guest, "zerocopy", queues, "");

    private static async Task ExpectModeAsync(Guest guest, string mode, int queues, string reason)
    {
        await guest.UntilAsync($"tunnelctl status {Guest.Tunnel} | grep -q 'xdp:eth0 outside'", 60);
        string status = await guest.RunAsync($"tunnelctl status {Guest.Tunnel}");
        Assert.Contains($"outside {mode}", status, StringComparison.Ordinal);
        for (int queue = 0; queue < queues; queue++)
        {
            Assert.Matches($"queue {queue} +{mode}, worker [0-9]", status);
        }

        string sentence = $"XDP on eth0 is in {mode} mode, {queues} {(queues == 1 ? "queue" : "queues")}{(reason.Length > 0 ? ": " + reason : "")}.";
        Assert.Contains(sentence, status, StringComparison.Ordinal);
        Assert.Contains(sentence, await guest.RunAsync("cat /tmp/log"), StringComparison.Ordinal);
    }

    // The guest begins: it may have been started anew, and the other end would find that out only after 15 s.
    private static async Task ExpectPingsAsync(Guest guest, TunnelEnd host)
    {
        await guest.UntilAsync($"ping -c 1 -W 1 {TunnelPair.Second4}", 20);
        await Ping.UntilAnsweredAsync(host.Inner, TunnelPair.First4, TimeSpan.FromSeconds(10));
    }

    // The card spreads by ports too, so the other end asks from one port after another until both queues have had some.
    private static async Task ExpectBothQueuesAsync(Guest guest, TunnelEnd host)
    {
        long[] before = await guest.ReceivedByQueueAsync();
        Assert.Equal(2, before.Length);
        long[] gained = [0, 0];
        for (int i = 0; i < 16 && gained.Min() < 3; i++)
        {
            // The card hashes with a random key, in which any few bits of the port may count for nothing: ports far apart differ in many.
            int port = 20_000 + (i * 27_411 % 40_000);
            await host.SetAsync($"listen-port {port}");
            PingResult answers = await Ping.RunAsync(host.Inner, TunnelPair.First4, "-c 3 -i 0.2 -W 3");
            Assert.Equal(3, answers.Received);
            long[] now = await guest.ReceivedByQueueAsync();
            gained = [now[0] - before[0], now[1] - before[1]];
        }

        Assert.True(gained.Min() >= 3, $"the queues had {gained[0]} and {gained[1]} frames");
    }

    private static async Task ExpectNothingLostAsync(Guest guest)
    {
        string[] drops = [.. (await guest.RunAsync($"tunnelctl stat {Guest.Tunnel}")).Split('\n')
            .Where(static line => line.Contains("Xdp", StringComparison.Ordinal) && line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is not [_, "0", ..])];
        Assert.Empty(drops);
    }

    private static async Task<int> ListenPortAsync(TunnelEnd end) =>
        int.Parse((await end.Space.RunAsync("wg", "show", end.Interface, "listen-port")).Output, CultureInfo.InvariantCulture);
}
