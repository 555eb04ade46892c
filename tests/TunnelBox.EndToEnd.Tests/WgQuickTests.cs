using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The real wg-quick brings the program up in place of wireguard-go, from plain wg files.</summary>
public class WgQuickTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private readonly string _name = Names.Next();

    private static IReadOnlyDictionary<string, string?> Environment => new Dictionary<string, string?>
    {
        ["WG_QUICK_USERSPACE_IMPLEMENTATION"] = TunnelProgram.Default.Expect().Path,
    };

    [Fact]
    public async Task A_file_goes_up_and_down()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        (NetworkNamespace space, string path) = await AddClientAsync(pair, "192.168.250.0/24, fd2a::/64", "");

        (await space.TryAsync(["wg-quick", "up", path], Environment)).Expect();
        await Ping.ExpectAsync(space, "192.168.250.1");
        await Ping.ExpectAsync(space, "fd2a::1");
        Assert.Contains("latest handshake", (await space.RunAsync("wg", "show", _name)).Output, StringComparison.Ordinal);
        string kept = (await space.RunAsync("wg", "showconf", _name)).Output;
        Assert.Contains("PersistentKeepalive = 7", kept, StringComparison.Ordinal);

        // syncconf changes what differs and keeps the session.
        long handshake = WgDump.Parse((await space.RunAsync("wg", "show", _name, "dump")).Output).Peers[0].LatestHandshake;
        await space.RunAsync("wg", "syncconf", _name, Lab.WriteFile("sync.conf", kept.Replace("= 7", "= 9", StringComparison.Ordinal)));
        WgPeer peer = Assert.Single(WgDump.Parse((await space.RunAsync("wg", "show", _name, "dump")).Output).Peers);
        Assert.Equal((handshake, 9), (peer.LatestHandshake, peer.Keepalive));
        await Ping.ExpectAsync(space, "192.168.250.1");

        (await space.TryAsync(["wg-quick", "down", path], Environment)).Expect();
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(5), async () => (await space.ProcessesAsync()).Length == 0, "the daemon did not end");
        Assert.False(File.Exists($"/var/run/wireguard/{_name}.sock"));
    }

    /// <summary>A default route through the tunnel needs the firewall mark on the tunnel's own datagrams.</summary>
    [Fact]
    public async Task A_default_route_goes_through_the_tunnel()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        (NetworkNamespace space, string path) = await AddClientAsync(pair, "0.0.0.0/0, ::/0", "");
        await pair.Second.Inner.IpAsync("address add 203.0.113.9/32 dev lo");
        await pair.Second.Inner.IpAsync("address add 2001:db8::9/128 dev lo");

        (await space.TryAsync(["wg-quick", "up", path], Environment)).Expect();
        await Ping.ExpectAsync(space, "203.0.113.9");
        await Ping.ExpectAsync(space, "2001:db8::9");
        await Transfer.ExpectTcpAsync(Lab, space, pair.Second.Inner, "203.0.113.9", 4 << 20);
        Assert.NotEqual("off", WgDump.Parse((await space.RunAsync("wg", "show", _name, "dump")).Output).Fwmark);
        (await space.TryAsync(["wg-quick", "down", path], Environment)).Expect();
    }

    /// <summary>A client beside the pair's second end, with a wg file for it.</summary>
    private async Task<(NetworkNamespace Space, string Path)> AddClientAsync(TunnelPair pair, string allowed, string more)
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        (string here, string there) = await NetworkNamespace.ConnectAsync(space, pair.Second.Space);
        await space.IpAsync($"address add 10.55.0.1/24 dev {here}");
        await pair.Second.Space.IpAsync($"address add 10.55.0.2/24 dev {there}");
        await pair.Second.Inner.IpAsync($"address add 192.168.250.1/24 dev {pair.Second.Interface}");
        await pair.Second.Inner.IpAsync($"address add fd2a::1/64 dev {pair.Second.Interface}");
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
            {more}

            [Peer]
            PublicKey = {pair.Second.Keys.Public}
            AllowedIPs = {allowed}
            Endpoint = 10.55.0.2:{TunnelPair.SecondPort}
            PersistentKeepalive = 7

            """);
        return (space, path);
    }
}
