using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>A hub with two peers: who may send from an address, and who is sent to at one.</summary>
[Trait("Load", "light")]
public class CryptokeyRoutingTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const string Hub = "192.168.240.1", Left = "192.168.240.2", Right = "192.168.240.3", Roaming = "192.168.240.9";

    [Fact]
    public async Task A_moved_address_goes_to_its_new_peer_only()
    {
        (TunnelEnd hub, TunnelEnd left, TunnelEnd right) = await BuildAsync();
        await left.Inner.IpAsync($"address add {Roaming}/32 dev {left.Interface}");
        await right.Inner.IpAsync($"address add {Roaming}/32 dev {right.Interface}");

        await hub.SetPeerAsync(left, $"allowed-ips {Left}/32,{Roaming}/32");
        await Ping.ExpectAsync(hub.Inner, Roaming);
        Assert.Equal((1, 0), (await EchoesAsync(hub, left), await EchoesAsync(hub, right)));

        await hub.SetPeerAsync(right, $"allowed-ips {Right}/32,{Roaming}/32");
        Assert.Equal([$"{Left}/32"], (await hub.PeerAsync(left)).AllowedIps);
        await Ping.ExpectAsync(hub.Inner, Roaming);
        Assert.Equal((0, 1), (await EchoesAsync(hub, left), await EchoesAsync(hub, right)));

        await Ping.ExpectAsync(right.Inner, Hub, options: $"-I {Roaming}");
        await Ping.ExpectSilenceAsync(left.Inner, Hub, $"-I {Roaming}");

        await hub.SetPeerAsync(right, $"allowed-ips {Right}/32");
        await Ping.ExpectSilenceAsync(hub.Inner, Roaming);
        await Ping.ExpectAsync(hub.Inner, Right);
    }

    /// <summary>Left owns the wide prefix, right a narrower one within it: left must not speak from there.</summary>
    [Fact]
    public async Task A_peer_cannot_send_from_an_address_of_another_peers_narrower_prefix()
    {
        (TunnelEnd hub, TunnelEnd left, TunnelEnd right) = await BuildAsync();
        await hub.SetPeerAsync(left, "allowed-ips 192.168.240.0/24,fd30::/64");
        await hub.SetPeerAsync(right, $"allowed-ips {Right}/32,fd30::3/128");
        await left.Inner.IpAsync($"address add {Right}/32 dev {left.Interface}");
        await left.Inner.IpAsync($"address add fd30::3/128 dev {left.Interface}");
        await Ping.ExpectAsync(left.Inner, Hub, options: $"-I {Left}");
        await Ping.ExpectAsync(right.Inner, Hub);

        // Echo requests only: the hub's own kernel looks for routers on the interface.
        Capture capture = await Capture.StartAsync(Lab, hub.Inner, hub.Interface, "icmp[0] == 8 or (icmp6 and ip6[40] == 128)");
        await Ping.ExpectSilenceAsync(left.Inner, Hub, $"-I {Right}");
        await Ping.ExpectSilenceAsync(left.Inner, "fd30::1", "-I fd30::3");
        Assert.Empty(await capture.StopAsync());

        await Ping.ExpectAsync(left.Inner, "fd30::1", options: "-I fd30::2");
        await Ping.ExpectAsync(right.Inner, "fd30::1");
    }

    [Fact]
    public async Task A_packet_without_a_peer_is_not_sent()
    {
        (TunnelEnd hub, TunnelEnd left, TunnelEnd right) = await BuildAsync();
        await Ping.ExpectAsync(hub.Inner, Left);
        long before = (await hub.PeerAsync(left)).Sent + (await hub.PeerAsync(right)).Sent;

        await Ping.ExpectSilenceAsync(hub.Inner, "192.168.240.77");
        await hub.SetPeerAsync(left, "allowed-ips 192.168.240.70/32");
        await Ping.ExpectSilenceAsync(hub.Inner, Left);
        Assert.Equal(before, (await hub.PeerAsync(left)).Sent + (await hub.PeerAsync(right)).Sent);
    }

    [Fact]
    public async Task A_peer_that_leaves_under_traffic_leaves_the_others_alone()
    {
        (TunnelEnd hub, TunnelEnd left, TunnelEnd right) = await BuildAsync();
        await Ping.ExpectAsync(hub.Inner, Left);
        await Ping.ExpectAsync(hub.Inner, Right);

        await using RunningProcess serving = await left.Inner.StartAsync(["iperf3", "-s", "-1", "--forceflush", "-B", Left]);
        await serving.WaitForOutputAsync("Server listening", Lab.Deadline);
        await using RunningProcess traffic = await hub.Inner.StartAsync(["iperf3", "-c", Left, "-t", "20", "-P", "4", "--bidir"]);
        await Task.Delay(1000, Lab.Deadline);
        for (int round = 0; round < 3; round++)
        {
            await hub.SetPeerAsync(left, "remove");
            Assert.DoesNotContain((await hub.DumpAsync()).Peers, peer => peer.PublicKey == left.Keys.Public);
            await Ping.ExpectAsync(hub.Inner, Right);
            await Ping.ExpectSilenceAsync(hub.Inner, Left);
            await hub.SetPeerAsync(left, $"allowed-ips {Left}/32,fd30::2/128 endpoint 10.99.0.2:51820");
            await Ping.UntilAnsweredAsync(hub.Inner, Left, TimeSpan.FromSeconds(12));
        }

        await hub.ExpectAliveAsync();
        await left.ExpectAliveAsync();
    }

    /// <summary>Echo requests that reached each peer when the roaming address was asked once.</summary>
    private async Task<int> EchoesAsync(TunnelEnd hub, TunnelEnd peer)
    {
        Capture capture = await Capture.StartAsync(Lab, peer.Inner, peer.Interface, $"icmp[icmptype]=icmp-echo and dst {Roaming}");
        await Ping.ExpectAsync(hub.Inner, Roaming);
        return (await capture.StopAsync()).Count;
    }

    private async Task<(TunnelEnd Hub, TunnelEnd Left, TunnelEnd Right)> BuildAsync()
    {
        NetworkNamespace middle = await Lab.NamespaceAsync();
        await middle.RunAsync("ip", "link", "add", "hub", "type", "bridge");
        await middle.IpAsync("address add 10.99.0.1/24 dev hub");
        await middle.IpAsync("link set hub up");
        TunnelEnd hub = await TunnelEnd.StartAsync(Lab, middle);
        await hub.UpAsync(51820, 1420, $"{Hub}/24", "fd30::1/64");

        var spokes = new List<TunnelEnd>();
        foreach (int number in (int[])[2, 3])
        {
            NetworkNamespace space = await Lab.NamespaceAsync();
            (string inside, string outside) = await NetworkNamespace.ConnectAsync(middle, space);
            await middle.IpAsync($"link set {inside} master hub");
            await space.IpAsync($"address add 10.99.0.{number}/24 dev {outside}");
            TunnelEnd spoke = await TunnelEnd.StartAsync(Lab, space);
            await spoke.UpAsync(51820, 1420, $"192.168.240.{number}/24", $"fd30::{number}/64");
            await spoke.SetPeerAsync(hub, "allowed-ips 192.168.240.0/24,fd30::/64 endpoint 10.99.0.1:51820");
            await hub.SetPeerAsync(spoke, $"allowed-ips 192.168.240.{number}/32,fd30::{number}/128 endpoint 10.99.0.{number}:51820");
            spokes.Add(spoke);
        }

        return (hub, spokes[0], spokes[1]);
    }
}
