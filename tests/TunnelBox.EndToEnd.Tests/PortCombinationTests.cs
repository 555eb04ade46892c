using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>
/// Every inner port with every outer port, against another make and against ourselves: traffic, sizes, a restart, a peer that moves, new keys.
/// Zero-copy, which this machine lacks, is in <see cref="GuestTests"/>.
/// </summary>
public class PortCombinationTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const string HostA4 = GatewaySite.HostA4, HostA6 = GatewaySite.HostA6, HostB4 = GatewaySite.HostB4, HostB6 = GatewaySite.HostB6;

    public static TheoryData<string, string, string> Combinations => new()
    {
        { "tun", "udp", "xdp" }, { "tun", "xdp", "xdp" }, { "xdp", "udp", "xdp" }, { "xdp", "xdp", "xdp" },
        { "tun", "udp", "wireguard-go" }, { "tun", "xdp", "wireguard-go" }, { "xdp", "udp", "wireguard-go" }, { "xdp", "xdp", "wireguard-go" },
    };

    [Theory]
    [Trait("Tier", "all")]
    [MemberData(nameof(Combinations))]
    public async Task Any_inner_port_goes_with_any_outer_port(string inner, string outer, string other)
    {
        GatewaySite site = await GatewaySite.BuildAsync(Lab, new GatewayOptions { Inner = inner, Outer = outer, Other = other });
        await ExpectAsync(site, inner, outer);
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB4, 4 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA4, 4 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostA, site.HostB, HostB6, 4 << 20);
        await Transfer.ExpectTcpAsync(Lab, site.HostB, site.HostA, HostA6, 4 << 20);
        int mayBeLost = other == "wireguard-go" ? 15 : 0;
        foreach (int size in new[] { 33, 1392 })
        {
            (await Transfer.UdpAsync(Lab, site.HostA, site.HostB, HostB4, 2000, 2000, size)).Expect(mayBeLost);
            (await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA4, 2000, 2000, size)).Expect(mayBeLost);
        }

        await Ping.ExpectAsync(site.HostA, HostB4, options: "-M dont -s 4000");

        // The peer moves, and is followed by what it sends.
        await site.B.SetAsync("listen-port 51899");
        await Ping.UntilAnsweredAsync(site.HostB, HostA4, TimeSpan.FromSeconds(10));
        await Ping.ExpectAsync(site.HostA, HostB4);

        // Killed and started again, it shakes hands anew.
        await site.A.Daemon.SignalAsync("KILL");
        await site.A.EndedAsync(TimeSpan.FromSeconds(5));
        await site.A.RestartAsync();
        await site.JoinAsync();
        await site.A.SetPeerAsync(site.B, $"endpoint {TunnelPair.SecondOuter4}:51899");
        await ExpectAsync(site, inner, outer);
        (await Transfer.UdpAsync(Lab, site.HostA, site.HostB, HostB4, 2000, 2000, 500)).Expect(mayBeLost);
        (await Transfer.UdpAsync(Lab, site.HostB, site.HostA, HostA4, 2000, 2000, 500)).Expect(mayBeLost);
        await site.A.ExpectAliveAsync();
        foreach ((bool isXdp, bool isInner) in new[] { (outer == "xdp", false), (inner == "xdp", true) })
        {
            if (isXdp)
            {
                await XdpSide.ExpectFramesHomeAsync(site.A, inner: isInner);
            }
        }
    }

    private static async Task ExpectAsync(GatewaySite site, string inner, string outer)
    {
        await site.ExpectPortAsync(inner == "xdp" ? site.LanA : null);
        await XdpSide.ExpectAsync(site.A, outer == "xdp" ? $"xdp:{site.OuterA}" : "udp");
        await Ping.UntilAnsweredAsync(site.HostA, HostB4, TimeSpan.FromSeconds(10));
        await Ping.UntilAnsweredAsync(site.HostA, HostB6, TimeSpan.FromSeconds(10));
        await Ping.UntilAnsweredAsync(site.HostB, HostA6, TimeSpan.FromSeconds(10));
    }
}
