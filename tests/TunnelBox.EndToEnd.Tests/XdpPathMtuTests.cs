using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>A path that is narrower behind a router than its first link is learned from what the router says, and datagrams that do not fit take the kernel's way.</summary>
[Trait("Load", "light")]
public class XdpPathMtuTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const int Narrow = 1300;

    // Inner packets of 1,420 bytes are outer ones of 1,480 and 1,500.
    private const string Large = "-s 1392 -W 1";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_narrow_link_behind_a_router_is_learned_within_seconds(bool ipv6)
    {
        NetworkNamespace home = await Lab.NamespaceAsync();
        NetworkNamespace router = await Lab.NamespaceAsync();
        NetworkNamespace outside = await Lab.NamespaceAsync();
        (string homeLink, string routerIn) = await NetworkNamespace.ConnectAsync(home, router);
        (string routerOut, string outsideLink) = await NetworkNamespace.ConnectAsync(router, outside, Narrow);
        string net = ipv6 ? "fd88:{0}::{1}" : "10.88.{0}.{1}";
        string At(int network, int host) => string.Format(System.Globalization.CultureInfo.InvariantCulture, net, network, host);
        string length = ipv6 ? "/64" : "/24";
        string dad = ipv6 ? " nodad" : "";
        await home.IpAsync($"address add {At(1, 2)}{length} dev {homeLink}{dad}");
        await router.IpAsync($"address add {At(1, 1)}{length} dev {routerIn}{dad}");
        await router.IpAsync($"address add {At(2, 1)}{length} dev {routerOut}{dad}");
        await outside.IpAsync($"address add {At(2, 2)}{length} dev {outsideLink}{dad}");
        await home.IpAsync($"route add default via {At(1, 1)}");
        await outside.IpAsync($"route add default via {At(2, 1)}");
        await router.SysctlAsync(ipv6 ? "net.ipv6.conf.all.forwarding=1" : "net.ipv4.ip_forward=1");

        TunnelEnd here = await TunnelEnd.StartAsync(Lab, home, null, XdpSide.Setting($"xdp:{homeLink}"));
        TunnelEnd there = await TunnelEnd.StartAsync(Lab, outside);
        await here.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24");
        await there.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24");
        string Endpoint(string address, int port) => ipv6 ? $"[{address}]:{port}" : $"{address}:{port}";
        await here.SetPeerAsync(there, $"allowed-ips {TunnelPair.Second4}/32 endpoint {Endpoint(At(2, 2), TunnelPair.SecondPort)}");
        await there.SetPeerAsync(here, $"allowed-ips {TunnelPair.First4}/32 endpoint {Endpoint(At(1, 2), TunnelPair.FirstPort)}");
        await Ping.ExpectAsync(here.Inner, TunnelPair.Second4);
        await XdpSide.ExpectAsync(here, $"xdp:{homeLink}");

        // Of IPv6 the router passes nothing on that does not fit: what is sent until its answer has been read is lost.
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(3),
            async () => (await Ping.RunAsync(here.Inner, TunnelPair.Second4, $"{Large} -c 1")).Received == 1,
            "large packets never arrive");
        Assert.Equal(100, (await Ping.RunAsync(here.Inner, TunnelPair.Second4, $"{Large} -i 0.01 -c 100")).Received);
        Assert.Equal(100, (await Ping.RunAsync(here.Inner, TunnelPair.Second4, "-s 56 -W 1 -i 0.01 -c 100")).Received);
        await XdpSide.ExpectAsync(here, $"xdp:{homeLink}");
        await XdpSide.ExpectFramesHomeAsync(here);
    }
}
