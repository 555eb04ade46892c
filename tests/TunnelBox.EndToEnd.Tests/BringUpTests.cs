using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>A plain wg file goes up and down, by the real wg-quick and by tunnelctl, with the same result.</summary>
[Trait("Load", "light")]
public class BringUpTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const string Subnets = "192.168.250.0/24, fd2a::/64, 10.201.0.0/16", Everything = "0.0.0.0/0, ::/0";

    private readonly string _name = Names.Next();

    private static IReadOnlyDictionary<string, string?> Environment => new Dictionary<string, string?>
    {
        ["WG_QUICK_USERSPACE_IMPLEMENTATION"] = TunnelProgram.Default.Expect().Path,
        ["WG_COLOR_MODE"] = "never",
    };

    [Theory]
    [InlineData("wg-quick")]
    [InlineData("tunnelctl")]
    public async Task A_file_goes_up_and_down(string tool)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        (NetworkNamespace space, string path) = await AddClientAsync(pair, Subnets);

        await RunAsync(space, tool, "up", path);
        await Ping.ExpectAsync(space, "192.168.250.1");
        await Ping.ExpectAsync(space, "fd2a::1");
        Assert.Contains("latest handshake", (await space.RunAsync("wg", "show", _name)).Output, StringComparison.Ordinal);
        string kept = (await space.RunAsync("wg", "showconf", _name)).Output;
        Assert.Contains("PersistentKeepalive = 7", kept, StringComparison.Ordinal);

        // syncconf changes what differs and keeps the session.
        WgDump before = WgDump.Parse((await space.RunAsync("wg", "show", _name, "dump")).Output);
        await space.RunAsync("wg", "syncconf", _name, Lab.WriteFile("sync.conf", kept.Replace("= 7", "= 9", StringComparison.Ordinal)));
        WgPeer peer = Assert.Single(WgDump.Parse((await space.RunAsync("wg", "show", _name, "dump")).Output).Peers);
        Assert.Equal((before.Peers[0].LatestHandshake, 9), (peer.LatestHandshake, peer.Keepalive));
        await Ping.ExpectAsync(space, "192.168.250.1");

        await RunAsync(space, tool, "down", path);
        await ExpectGoneAsync(space);
    }

    /// <summary>A default route through the tunnel needs the firewall mark on the tunnel's own datagrams.</summary>
    [Theory]
    [InlineData("wg-quick")]
    [InlineData("tunnelctl")]
    public async Task A_default_route_goes_through_the_tunnel(string tool)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        (NetworkNamespace space, string path) = await AddClientAsync(pair, Everything);
        await pair.Second.Inner.IpAsync("address add 203.0.113.9/32 dev lo");
        await pair.Second.Inner.IpAsync("address add 2001:db8::9/128 dev lo");

        await RunAsync(space, tool, "up", path);
        await Ping.ExpectAsync(space, "203.0.113.9");
        await Ping.ExpectAsync(space, "2001:db8::9");
        await Transfer.ExpectTcpAsync(Lab, space, pair.Second.Inner, "203.0.113.9", 4 << 20);
        Assert.NotEqual("off", WgDump.Parse((await space.RunAsync("wg", "show", _name, "dump")).Output).Fwmark);

        await RunAsync(space, tool, "down", path);
        await ExpectGoneAsync(space);
    }

    [Theory]
    [InlineData(Subnets)]
    [InlineData(Everything)]
    public async Task Tunnelctl_makes_the_same_routes_as_wg_quick(string allowed)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        (NetworkNamespace space, string path) = await AddClientAsync(pair, allowed);
        string empty = await NetworkAsync(space);

        await RunAsync(space, "wg-quick", "up", path);
        string theirs = await NetworkAsync(space);
        await RunAsync(space, "wg-quick", "down", path);
        await ExpectGoneAsync(space);

        await RunAsync(space, "tunnelctl", "up", path);
        string ours = await NetworkAsync(space);
        await RunAsync(space, "tunnelctl", "down", path);
        await ExpectGoneAsync(space);

        Assert.Equal(theirs, ours);
        Assert.Equal(empty, await NetworkAsync(space));
    }

    [Fact]
    public async Task Tunnelctl_shows_what_wg_shows()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Preshared = true });
        await pair.ExpectPingsAsync();
        string bare = (await TunnelKeys.MakeAsync(Lab.Deadline)).Public;
        await pair.First.SetAsync($"fwmark 0x1f peer {bare} persistent-keepalive 25 endpoint [fd77::9]:7 allowed-ips 10.7.0.0/16,fd07::/48");

        NetworkNamespace space = pair.First.Space;
        string name = pair.First.Interface;
        string[][] questions =
        [
            ["show", name], ["showconf", name],
            .. ((string[])["public-key", "private-key", "listen-port", "fwmark", "peers", "preshared-keys", "endpoints", "allowed-ips",
                "latest-handshakes", "transfer", "persistent-keepalive", "dump"]).Select(field => (string[])["show", name, field]),
        ];
        foreach (string[] question in questions)
        {
            string theirs = "", ours = "-";
            // The age of a handshake may turn over between the two questions; it does not do so three times.
            for (int attempt = 0; attempt < 3 && theirs != ours; attempt++)
            {
                theirs = (await space.TryAsync(["wg", .. question], Environment)).Expect().Output;
                ours = (await space.TryAsync([TunnelProgram.Tunnelctl, .. question], Environment)).Expect().Output;
            }

            Assert.Equal(theirs, ours);
        }
    }

    [Fact]
    public async Task A_file_with_faults_changes_nothing()
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        string before = await NetworkAsync(space);
        string path = Lab.WriteFile(
            _name + ".conf",
            """
            [Interface]
            PrivateKey = short
            Address = 10.0.0.999/24
            ListenPort = 70000

            [Peer]
            PublicKey = nonsense
            AllowedIPs = 10.0.0.0/40
            """);
        CommandResult refused = await space.TryAsync([TunnelProgram.Tunnelctl, "up", path], Environment);
        Assert.Equal(2, refused.ExitCode);
        foreach (int line in (int[])[2, 3, 4, 7, 8])
        {
            Assert.Contains($"{path}:{line}:", refused.Error, StringComparison.Ordinal);
        }

        await ExpectGoneAsync(space);
        Assert.Equal(before, await NetworkAsync(space));
    }

    private static async Task RunAsync(NetworkNamespace space, string tool, string verb, string path)
    {
        string program = tool == "tunnelctl" ? TunnelProgram.Tunnelctl : tool;
        (await space.TryAsync([program, verb, path], Environment)).Expect();
    }

    /// <summary>Routes, rules, addresses and MTU of the namespace, without what differs from one device to the next.</summary>
    private static async Task<string> NetworkAsync(NetworkNamespace space)
    {
        string[] words = ["-4 rule", "-6 rule", "-4 route show table all", "-6 route show table all", "-br address"];
        var text = new System.Text.StringBuilder();
        foreach (string question in words)
        {
            string[] lines = (await space.IpAsync(question)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            // Link-local addresses are random, and appear some time after the device.
            foreach (string line in lines.Where(static line =>
                !line.Contains("fe80:", StringComparison.Ordinal) && !line.Contains("multicast", StringComparison.Ordinal)).Order())
            {
                text.AppendLine(line);
            }
        }

        return text.ToString();
    }

    private async Task ExpectGoneAsync(NetworkNamespace space)
    {
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => (await space.ProcessesAsync()).Length == 0, "the daemon did not end");
        Assert.False(File.Exists($"/var/run/wireguard/{_name}.sock"));
        Assert.False(await space.HasLinkAsync(_name));
    }

    /// <summary>A client beside the pair's second end, with a wg file for it.</summary>
    private async Task<(NetworkNamespace Space, string Path)> AddClientAsync(TunnelPair pair, string allowed)
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        (string here, string there) = await NetworkNamespace.ConnectAsync(space, pair.Second.Space);
        await space.IpAsync($"address add 10.55.0.1/24 dev {here}");
        await pair.Second.Space.IpAsync($"address add 10.55.0.2/24 dev {there}");
        await pair.Second.Inner.IpAsync($"address add 192.168.250.1/24 dev {pair.Second.Interface}");
        await pair.Second.Inner.IpAsync($"address add fd2a::1/64 dev {pair.Second.Interface} nodad");
        TunnelKeys keys = await TunnelKeys.MakeAsync(Lab.Deadline);
        await pair.Second.SetAsync($"peer {keys.Public} allowed-ips 192.168.250.2/32,fd2a::2/128");

        Lab.OwnInterface(_name);
        string path = Lab.WriteFile(
            _name + ".conf",
            $"""
            # A client of the second end.
            [Interface]
            PrivateKey = {keys.Private}
            Address = 192.168.250.2/24, fd2a::2/64

            [peer]
            publickey = {pair.Second.Keys.Public}
            AllowedIPs = {allowed} # what lies behind it
            Endpoint = 10.55.0.2:{TunnelPair.SecondPort}
            PersistentKeepalive = 7

            """);
        return (space, path);
    }
}
