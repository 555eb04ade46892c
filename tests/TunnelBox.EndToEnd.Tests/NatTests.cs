using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>A client behind a translator that forgets its mappings after 2 s.</summary>
[Trait("Load", "light")]
public class NatTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const string ServerOuter = "10.88.0.2";

    [Fact]
    public async Task Persistent_keepalive_holds_the_mapping_open()
    {
        (TunnelEnd client, TunnelEnd server) = await BuildAsync();
        await Ping.ExpectAsync(client.Inner, TunnelPair.Second4);
        Assert.StartsWith("10.88.0.1:", (await server.PeerAsync(client)).Endpoint);

        // Without keepalive the mapping must lapse: else the rest would prove nothing.
        await Task.Delay(3500, Lab.Deadline);
        await Ping.ExpectSilenceAsync(server.Inner, TunnelPair.First4);

        await client.SetPeerAsync(server, "persistent-keepalive 1");
        await Task.Delay(3500, Lab.Deadline);
        await Ping.ExpectAsync(server.Inner, TunnelPair.First4);
        Assert.Equal(1, (await client.PeerAsync(server)).Keepalive);
    }

    [Fact]
    public async Task A_new_mapping_is_followed()
    {
        (TunnelEnd client, TunnelEnd server) = await BuildAsync();
        await Ping.ExpectAsync(client.Inner, TunnelPair.Second4);
        string? before = (await server.PeerAsync(client)).Endpoint;

        await Task.Delay(3500, Lab.Deadline);
        await Ping.ExpectAsync(client.Inner, TunnelPair.Second4);
        Assert.NotEqual(before, (await server.PeerAsync(client)).Endpoint);
        await Ping.ExpectAsync(server.Inner, TunnelPair.First4);
    }

    private async Task<(TunnelEnd Client, TunnelEnd Server)> BuildAsync()
    {
        NetworkNamespace home = await Lab.NamespaceAsync();
        NetworkNamespace router = await Lab.NamespaceAsync();
        NetworkNamespace outside = await Lab.NamespaceAsync();
        (string homeLink, string routerIn) = await NetworkNamespace.ConnectAsync(home, router);
        (string routerOut, string outsideLink) = await NetworkNamespace.ConnectAsync(router, outside);
        await home.IpAsync($"address add 192.168.1.100/24 dev {homeLink}");
        await router.IpAsync($"address add 192.168.1.1/24 dev {routerIn}");
        await router.IpAsync($"address add 10.88.0.1/24 dev {routerOut}");
        await outside.IpAsync($"address add {ServerOuter}/24 dev {outsideLink}");
        await home.IpAsync("route add default via 192.168.1.1");
        await router.NftAsync($$"""
            table ip nat {
                chain postrouting {
                    type nat hook postrouting priority srcnat; policy accept;
                    oifname "{{routerOut}}" masquerade random,fully-random
                }
            }
            """);
        await router.SysctlAsync("net.ipv4.ip_forward=1");
        await router.SysctlAsync("net.netfilter.nf_conntrack_udp_timeout=2");
        await router.SysctlAsync("net.netfilter.nf_conntrack_udp_timeout_stream=2");

        TunnelEnd client = await TunnelEnd.StartAsync(Lab, home);
        TunnelEnd server = await TunnelEnd.StartAsync(Lab, outside);
        await client.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24");
        await server.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24");
        await client.SetPeerAsync(server, $"allowed-ips {TunnelPair.Second4}/32 endpoint {ServerOuter}:{TunnelPair.SecondPort}");
        await server.SetPeerAsync(client, $"allowed-ips {TunnelPair.First4}/32");
        return (client, server);
    }
}
