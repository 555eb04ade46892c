using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Keys that change, keys that are no good, and many peers.</summary>
[Trait("Load", "light")]
public class KeyTests(ITestOutputHelper output) : EndToEndTest(output)
{
    /// <summary>The public keys whose shared secret is zero with any private key (cr.yp.to/ecdh.html#validate).</summary>
    private static readonly string[] s_lowOrder =
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    [Fact]
    public async Task A_changed_key_ends_the_old_session_and_begins_a_new_one()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        TunnelKeys old = pair.First.Keys;

        await pair.First.SetKeysAsync(await TunnelKeys.MakeAsync(Lab.Deadline));
        Assert.Equal(pair.First.Keys.Public, (await pair.First.DumpAsync()).PublicKey);
        await Ping.ExpectSilenceAsync(pair.First.Inner, TunnelPair.Second4);

        await pair.Second.SetAsync($"peer {old.Public} remove");
        await pair.Second.SetPeerAsync(
            pair.First, $"allowed-ips {TunnelPair.First4}/32,{TunnelPair.First6}/128 endpoint {pair.FirstEndpoint}");
        await Ping.UntilAnsweredAsync(pair.Second.Inner, TunnelPair.First4, TimeSpan.FromSeconds(12));
        await pair.ExpectPingsAsync();
    }

    [Fact]
    public async Task A_peer_with_the_interfaces_own_key_is_not_kept()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.First.SetAsync($"peer {pair.First.Keys.Public} allowed-ips 10.1.2.0/24");
        Assert.DoesNotContain((await pair.First.DumpAsync()).Peers, peer => peer.PublicKey == pair.First.Keys.Public);
        await pair.ExpectPingsAsync();
    }

    [Fact]
    public async Task Low_order_public_keys_do_no_harm()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();

        Capture capture = await Capture.StartAsync(Lab, pair.First.Space, pair.FirstLink, "udp port 5");
        for (int number = 0; number < s_lowOrder.Length; number++)
        {
            string key = Convert.ToBase64String(Convert.FromHexString(s_lowOrder[number]));
            await pair.First.TrySetAsync(
                $"peer {key} persistent-keepalive 1 endpoint {TunnelPair.SecondOuter4}:5 allowed-ips 10.200.{number}.0/24");
        }

        await pair.First.Inner.IpAsync($"route add 10.200.0.0/16 dev {pair.First.Interface}");
        for (int number = 0; number < s_lowOrder.Length; number++)
        {
            await Ping.RunAsync(pair.First.Inner, $"10.200.{number}.1", "-c 1 -W 0.1");
        }

        await Task.Delay(1500, Lab.Deadline);
        Assert.Empty(await capture.StopAsync());
        Assert.All(
            (await pair.First.DumpAsync()).Peers.Where(peer => peer.PublicKey != pair.Second.Keys.Public),
            static peer => Assert.Equal((0, 0), (peer.Received, peer.Sent)));
        await pair.ExpectPingsAsync();
    }

    /// <summary>255 peers with 512 prefixes each: 130,560 of them set, kept and told back.</summary>
    [Fact]
    public async Task A_hundred_and_thirty_thousand_prefixes_are_shown_within_two_seconds()
    {
        const int Peers = 255, Halves = 256;
        NetworkNamespace space = await Lab.NamespaceAsync();
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, space);
        var file = new System.Text.StringBuilder();
        byte[] key = new byte[32];
        for (int peer = 1; peer <= Peers; peer++)
        {
            key[0] = (byte)peer;
            key[16] = 9;
            string prefixes = string.Join(',', Enumerable.Range(0, Halves)
                .SelectMany(half => (string[])[$"{peer}.{half}.0.0/16", $"abcd:{peer:x}:{half:x}::/48"]));
            file.Append("[Peer]\nPublicKey=").Append(Convert.ToBase64String(key)).Append("\nAllowedIPs=").Append(prefixes).Append('\n');
        }

        string path = Lab.WriteFile("many.conf", file.ToString());
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await space.RunAsync("wg", "setconf", end.Interface, path);
        TimeSpan setting = watch.Elapsed;

        watch.Restart();
        CommandResult shown = await space.RunAsync("wg", "show", end.Interface, "allowed-ips");
        TimeSpan showing = watch.Elapsed;
        Lab.Report(() => $"setconf {setting.TotalMilliseconds:0} ms, show {showing.TotalMilliseconds:0} ms");

        string[][] rows = [.. shown.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static row => row.Split('\t', ' '))];
        Assert.Equal(Peers, rows.Length);
        Assert.Equal(Peers * Halves * 2, rows.Sum(static row => row.Length - 1));
        Assert.InRange(showing.TotalSeconds, 0, 2);
        Assert.InRange(setting.TotalSeconds, 0, 10);

        // The same file again replaces everything by itself; an empty one leaves nothing.
        await space.RunAsync("wg", "setconf", end.Interface, path);
        await space.RunAsync("wg", "setconf", end.Interface, Lab.WriteFile("none.conf", "[Interface]\n"));
        Assert.Empty((await end.DumpAsync()).Peers);
    }
}
