using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>A peer is where its last authenticated packet came from.</summary>
[Trait("Load", "light")]
public class RoamingTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_address_that_changes_is_followed(bool outerIpv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OuterIpv6 = outerIpv6 });
        await pair.ExpectPingsAsync();

        string old = outerIpv6 ? $"{TunnelPair.FirstOuter6}/64" : $"{TunnelPair.FirstOuter4}/24";
        string fresh = outerIpv6 ? "fd77::aa/64" : "10.77.0.170/24";
        await pair.First.Space.IpAsync($"address add {fresh} dev {pair.FirstLink}{(outerIpv6 ? " nodad" : "")}");
        await pair.First.Space.IpAsync($"address del {old} dev {pair.FirstLink}");
        await ForgetSourceAsync(pair.First, pair.Second, pair.SecondEndpoint);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);

        string expected = outerIpv6 ? $"[fd77::aa]:{TunnelPair.FirstPort}" : $"10.77.0.170:{TunnelPair.FirstPort}";
        Assert.Equal(expected, (await pair.Second.PeerAsync(pair.First)).Endpoint);
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First6);
    }

    [Fact]
    public async Task A_port_that_changes_is_followed()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();

        await pair.First.SetAsync("listen-port 40404");
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        Assert.Equal($"{TunnelPair.FirstOuter4}:40404", (await pair.Second.PeerAsync(pair.First)).Endpoint);
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
    }

    [Fact]
    public async Task A_peer_may_cross_from_Ipv4_to_Ipv6()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();

        await pair.First.SetPeerAsync(pair.Second, $"endpoint [{TunnelPair.SecondOuter6}]:{TunnelPair.SecondPort}");
        if (pair.First.Program.Is(Lacks.StickySource))
        {
            await Ping.ExpectSilenceAsync(pair.First.Inner, TunnelPair.Second4);
            return;
        }

        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        Assert.Equal($"[{TunnelPair.FirstOuter6}]:{TunnelPair.FirstPort}", (await pair.Second.PeerAsync(pair.First)).Endpoint);
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
    }

    [Fact]
    public async Task An_end_without_endpoint_learns_it_from_the_handshake()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OneSided = true });
        Assert.Null((await pair.Second.PeerAsync(pair.First)).Endpoint);
        await Ping.ExpectSilenceAsync(pair.Second.Inner, TunnelPair.First4);

        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        Assert.Equal(pair.FirstEndpoint, (await pair.Second.PeerAsync(pair.First)).Endpoint);
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
    }

    /// <summary>An answer leaves from the address it was asked at, or the asker would see the peer move.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_source_address_sticks(bool outerIpv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OuterIpv6 = outerIpv6 });
        string address = outerIpv6 ? "fd77::bb" : "10.77.0.187";
        string endpoint = outerIpv6 ? $"[{address}]:{TunnelPair.SecondPort}" : $"{address}:{TunnelPair.SecondPort}";
        string prefix = outerIpv6 ? "64" : "24";
        await pair.Second.Space.IpAsync($"address add {address}/{prefix} dev {pair.SecondLink}{(outerIpv6 ? " nodad" : "")}");

        await pair.First.SetPeerAsync(pair.Second, $"endpoint {endpoint}");
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        if (!outerIpv6 && pair.Second.Program.Is(Lacks.StickySource))
        {
            Assert.Equal(pair.SecondEndpoint, (await pair.First.PeerAsync(pair.Second)).Endpoint);
            return;
        }

        Assert.Equal(endpoint, (await pair.First.PeerAsync(pair.Second)).Endpoint);
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
        Assert.Equal(endpoint, (await pair.First.PeerAsync(pair.Second)).Endpoint);

        // When that address goes, the answer must leave from another one, and be followed there.
        await pair.Second.Space.IpAsync($"address del {address}/{prefix} dev {pair.SecondLink}");
        await ForgetSourceAsync(pair.Second, pair.First, pair.FirstEndpoint);
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
        Assert.Equal(pair.SecondEndpoint, (await pair.First.PeerAsync(pair.Second)).Endpoint);
    }

    /// <summary>Naming the endpoint again drops the source kept for it; only a program that does not notice by itself gets this help.</summary>
    private static async Task ForgetSourceAsync(TunnelEnd end, TunnelEnd peer, string endpoint)
    {
        if (end.Program.Is(Lacks.VanishedSource))
        {
            await end.SetPeerAsync(peer, $"endpoint {endpoint}");
        }
    }
}
