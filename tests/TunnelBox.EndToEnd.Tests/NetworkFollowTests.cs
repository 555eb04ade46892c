using System.Diagnostics;
using System.Text.Json;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The network around a tunnel changes, and so does what its endpoints' names mean: the tunnel follows.</summary>
[Trait("Load", "light")]
public class NetworkFollowTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const string Far = "far.example", Slow = "slow.example", Dead = "10.77.0.3", Elsewhere = "10.77.0.66", Behind = "198.51.100.9";

    private readonly ITestOutputHelper _output = output;

    private static IReadOnlyDictionary<string, string?> Environment => new Dictionary<string, string?>
    {
        ["WG_QUICK_USERSPACE_IMPLEMENTATION"] = TunnelProgram.Default.Expect().Path,
    };

    [Fact]
    public async Task A_name_that_leads_elsewhere_is_followed_as_soon_as_the_network_changes()
    {
        TunnelPair pair = await BuildAsync($"{TunnelPair.SecondOuter4} {Far}\n");
        await LoadAsync(pair, Far);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        JsonElement before = await PeerAsync(pair.First);
        Assert.Equal((Far, pair.SecondEndpoint), (before.GetProperty("endpointName").GetString(), before.GetProperty("endpoint").GetString()));

        RunningProcess monitor = await pair.First.Space.StartAsync([TunnelProgram.Tunnelctl, "monitor", pair.First.Interface]);
        await monitor.WaitForOutputAsync("watching", Lab.Deadline);
        await MoveSecondAsync(pair);
        pair.First.Space.SetHosts($"{Elsewhere} {Far}\n");
        long start = Stopwatch.GetTimestamp();
        await pair.First.Space.IpAsync($"address add 10.77.0.200/24 dev {pair.FirstLink}");
        await EndpointAsync(pair.First, $"{Elsewhere}:{TunnelPair.SecondPort}", TimeSpan.FromSeconds(10));
        _output.WriteLine($"the endpoint followed after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.00} s");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(10));
        Assert.InRange((await PeerAsync(pair.First)).GetProperty("resolvedAge").GetDouble(), 0, Stopwatch.GetElapsedTime(start).TotalSeconds + 1);
        Assert.Contains($"name_resolved peer {pair.Second.Keys.Public} {Far} is {Elsewhere}", monitor.Output, StringComparison.Ordinal);
        Assert.Contains($"endpoint_change peer {pair.Second.Keys.Public} {Elsewhere}:", monitor.Output, StringComparison.Ordinal);
        Assert.Contains($"({Far}, resolved ", (await CtlAsync(pair.First, "status")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_second_address_of_a_name_is_tried_when_the_first_does_not_answer_for_five_seconds()
    {
        TunnelPair pair = await BuildAsync($"{Dead} {Far}\n{Elsewhere} {Far}\n");
        await pair.Second.Space.IpAsync($"address add {Elsewhere}/24 dev {pair.SecondLink}");
        await LoadAsync(pair, Far);
        Assert.Equal($"{Dead}:{TunnelPair.SecondPort}", (await PeerAsync(pair.First)).GetProperty("endpoint").GetString());
        long start = Stopwatch.GetTimestamp();
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(15));
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        _output.WriteLine($"the tunnel came up {took.TotalSeconds:0.00} s after the first packet");
        // REKEY_TIMEOUT is 5 s with up to a third of a second more.
        Assert.InRange(took.TotalSeconds, 4.5, 9);
        Assert.Equal($"{Elsewhere}:{TunnelPair.SecondPort}", (await PeerAsync(pair.First)).GetProperty("endpoint").GetString());
    }

    [Fact]
    public async Task A_resolver_that_hangs_holds_up_no_packet_and_no_other_name()
    {
        const int Count = 16_000, Rate = 2_000, Size = 300;
        TunnelPair pair = await BuildAsync($"{TunnelPair.SecondOuter4} {Far}\n192.0.2.99 {Slow}\n");
        await LoadAsync(pair, Far, $"\n[Peer]\nPublicKey = {(await TunnelKeys.MakeAsync(Lab.Deadline)).Public}\nAllowedIPs = 10.99.0.0/24\nEndpoint = {Slow}:7\n");
        await pair.ExpectPingsAsync();

        // Questions for the slow name arrive and are never answered; those that hang wait 30 s.
        await pair.Second.Space.NftAsync("table inet slow {\nchain in { type filter hook input priority 0; udp dport 53 drop; }\n}\n");
        pair.First.Space.SetResolver($"nameserver {TunnelPair.SecondOuter4}\noptions timeout:30 attempts:1\n");
        pair.First.Space.SetHosts($"{TunnelPair.SecondOuter4} {Far}\n");
        Task<DatagramCount> there = Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, Size);
        Task<DatagramCount> back = Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, Count, Rate, Size);
        await Task.Delay(500, Lab.Deadline);
        double slowAge = await ResolvedAgeAsync(pair.First, 1);
        long start = Stopwatch.GetTimestamp();
        await pair.First.Space.IpAsync($"address add 10.77.0.200/24 dev {pair.FirstLink}");
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => await ResolvedAgeAsync(pair.First, 0) < Stopwatch.GetElapsedTime(start).TotalSeconds, "the other name was not resolved");
        (await there).Expect(0);
        (await back).Expect(0);

        // The time until the question is asked alone: an answer may take long to come, and its age is that of when it was made.
        double since = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Assert.True(await ResolvedAgeAsync(pair.First, 1) >= slowAge + since, "the slow name was resolved, so nothing hung");
        string[] threads = Directory.GetDirectories($"/proc/{pair.First.Daemon.Id}/task");
        Assert.Contains(threads, thread => File.ReadAllText(Path.Combine(thread, "comm")).Trim() == "tb-resolver");
    }

    [Fact]
    public async Task A_derived_mtu_follows_the_route_to_the_endpoint_until_it_is_set_by_hand()
    {
        (TunnelPair pair, NetworkNamespace space, string name, string link) = await UpAsync();
        JsonElement device = await DeviceAsync(space, name);
        Assert.Equal((1420, "route", link, Behind), (device.GetProperty("mtu").GetInt32(), device.GetProperty("mtuOrigin").GetString(), device.GetProperty("mtuLink").GetString(), device.GetProperty("mtuEndpoint").GetString()));
        Assert.Contains($"MTU 1420 (follows the route to {Behind} through {link}, which carries 1500)", (await space.RunAsync(TunnelProgram.Tunnelctl, "status", name)).Output, StringComparison.Ordinal);

        RunningProcess monitor = await space.StartAsync([TunnelProgram.Tunnelctl, "monitor", name]);
        await monitor.WaitForOutputAsync("watching", Lab.Deadline);
        await FollowsAsync(space, name, $"link set {link} mtu 1400", 1320);
        await FollowsAsync(space, name, $"route add {Behind}/32 via 10.55.0.2 mtu 1300", 1220);
        await FollowsAsync(space, name, $"route del {Behind}/32", 1320);
        await FollowsAsync(space, name, $"link set {link} mtu 1500", 1420);
        Assert.Contains($"mtu_change MTU 1320 -> 1420, following the route to {Behind} through {link}, which carries 1500 bytes", monitor.Output, StringComparison.Ordinal);
        await Ping.ExpectAsync(space, "192.168.250.1", options: "-M do -s 1392");

        await space.IpAsync($"link set {name} mtu 1250");
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => (await DeviceAsync(space, name)).GetProperty("mtuOrigin").GetString() == "hand", "the MTU set by hand is not noticed");
        await space.IpAsync($"link set {link} mtu 1400");
        await Task.Delay(1500, Lab.Deadline);
        await ReloadAsync(space, name);
        await Task.Delay(1500, Lab.Deadline);
        Assert.Equal(1250, (await DeviceAsync(space, name)).GetProperty("mtu").GetInt32());
        Assert.NotNull(pair);
    }

    [Fact]
    public async Task A_default_route_comes_and_goes_while_the_file_is_loaded_again_and_again()
    {
        (TunnelPair pair, NetworkNamespace space, string name, string link) = await UpAsync();
        await Ping.ExpectAsync(space, "192.168.250.1");
        int loaded = 0;
        for (int i = 0; i < 12; i++)
        {
            await space.IpAsync("route del default");
            Task reload = ReloadAsync(space, name);
            await Task.Delay(i * 40, Lab.Deadline);
            await space.IpAsync($"route add default via 10.55.0.2 dev {link} {(i % 2 == 0 ? "mtu 1400" : string.Empty)}");
            await reload;
            loaded++;
        }

        Assert.Equal(12, loaded);
        await MtuAsync(space, name, 1420);
        JsonElement device = await DeviceAsync(space, name);
        Assert.Equal("route", device.GetProperty("mtuOrigin").GetString());
        await Ping.UntilAnsweredAsync(space, "192.168.250.1", TimeSpan.FromSeconds(10));
        await pair.Second.ExpectAliveAsync();
    }

    private static Task<CommandResult> CtlAsync(TunnelEnd end, params string[] words) => end.Space.RunAsync([TunnelProgram.Tunnelctl, .. words]);

    private static async Task<JsonElement> PeerAsync(TunnelEnd end) => (await InterfaceAsync(end.Space, end.Interface)).GetProperty("peers")[0];

    private static async Task<double> ResolvedAgeAsync(TunnelEnd end, int peer) =>
        (await InterfaceAsync(end.Space, end.Interface)).GetProperty("peers")[peer].GetProperty("resolvedAge").GetDouble();

    private static async Task<JsonElement> DeviceAsync(NetworkNamespace space, string name) => (await InterfaceAsync(space, name)).GetProperty("device");

    private static async Task<JsonElement> InterfaceAsync(NetworkNamespace space, string name)
    {
        using JsonDocument document = JsonDocument.Parse((await space.RunAsync(TunnelProgram.Tunnelctl, "status", name, "--json")).Output);
        return document.RootElement.GetProperty("interfaces")[0].Clone();
    }

    private static Task EndpointAsync(TunnelEnd end, string endpoint, TimeSpan within) => Eventually.TrueWithinAsync(
        within, async () => (await PeerAsync(end)).GetProperty("endpoint").GetString() == endpoint, $"the peer did not move to {endpoint}");

    private static Task MtuAsync(NetworkNamespace space, string name, int mtu) => Eventually.TrueWithinAsync(
        TimeSpan.FromSeconds(4), async () => (await space.IpAsync($"link show {name}")).Output.Contains($" mtu {mtu} ", StringComparison.Ordinal), $"the MTU did not become {mtu}");

    private async Task FollowsAsync(NetworkNamespace space, string name, string change, int mtu)
    {
        long start = Stopwatch.GetTimestamp();
        await space.IpAsync(change);
        await MtuAsync(space, name, mtu);
        _output.WriteLine($"ip {change}: MTU {mtu} after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.00} s");
    }

    private async Task<TunnelPair> BuildAsync(string hosts)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OneSided = true });
        pair.First.Space.SetHosts(hosts);
        pair.First.Space.SetResolver("nameserver 127.0.0.99\n");

        // ip netns exec shows a program the files that were there when it was started.
        await pair.First.Daemon.SignalAsync("TERM");
        await pair.First.EndedAsync(TimeSpan.FromSeconds(10));
        await pair.First.RestartAsync();
        await pair.First.UpAsync(TunnelPair.FirstPort, pair.Options.Mtu, $"{TunnelPair.First4}/24", $"{TunnelPair.First6}/64");
        return pair;
    }

    private Task<CommandResult> LoadAsync(TunnelPair pair, string host, string more = "") => CtlAsync(pair.First, "syncconf", pair.First.Interface, Lab.WriteFile("names.conf", $"""
        [Interface]
        PrivateKey = {pair.First.Keys.Private}
        ListenPort = {TunnelPair.FirstPort}

        [Peer]
        PublicKey = {pair.Second.Keys.Public}
        AllowedIPs = {TunnelPair.Second4}/32, {TunnelPair.Second6}/128
        Endpoint = {host}:{TunnelPair.SecondPort}
        {more}
        """));

    private static async Task MoveSecondAsync(TunnelPair pair)
    {
        await pair.Second.Space.IpAsync($"address add {Elsewhere}/24 dev {pair.SecondLink}");
        await pair.Second.Space.IpAsync($"address del {TunnelPair.SecondOuter4}/24 dev {pair.SecondLink}");
    }

    // A client with a default route through the tunnel, whose endpoint lies behind the default route of its network.
    private async Task<(TunnelPair Pair, NetworkNamespace Space, string Name, string Link)> UpAsync()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        NetworkNamespace space = await Lab.NamespaceAsync();
        (string here, string there) = await NetworkNamespace.ConnectAsync(space, pair.Second.Space);
        await space.IpAsync($"address add 10.55.0.1/24 dev {here}");
        await space.IpAsync($"route add default via 10.55.0.2 dev {here}");
        await pair.Second.Space.IpAsync($"address add 10.55.0.2/24 dev {there}");
        await pair.Second.Space.IpAsync($"address add {Behind}/32 dev lo");
        await pair.Second.Inner.IpAsync($"address add 192.168.250.1/24 dev {pair.Second.Interface}");
        TunnelKeys keys = await TunnelKeys.MakeAsync(Lab.Deadline);
        await pair.Second.SetAsync($"peer {keys.Public} allowed-ips 192.168.250.2/32");
        string name = Names.Next();
        Lab.OwnInterface(name);
        string path = Lab.WriteFile(name + ".conf", $"""
            [Interface]
            PrivateKey = {keys.Private}
            Address = 192.168.250.2/24

            [Peer]
            PublicKey = {pair.Second.Keys.Public}
            AllowedIPs = 0.0.0.0/0
            Endpoint = {Behind}:{TunnelPair.SecondPort}

            """);
        (await space.TryAsync([TunnelProgram.Tunnelctl, "up", path], Environment)).Expect();
        return (pair, space, name, here);
    }

    private Task<CommandResult> ReloadAsync(NetworkNamespace space, string name) =>
        space.RunAsync(TunnelProgram.Tunnelctl, "reload", Path.Combine(Lab.Folder, name + ".conf"));
}
