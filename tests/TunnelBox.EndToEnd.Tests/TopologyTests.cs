using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Interfaces that move, tunnels that carry tunnels, and tunnels that are routed into themselves.</summary>
[Trait("Load", "light")]
public class TopologyTests(ITestOutputHelper output) : EndToEndTest(output)
{
    /// <summary>The socket stays where the daemon was started, so a namespace can be left with nothing but the tunnel.</summary>
    [Fact]
    public async Task A_moved_interface_keeps_its_socket_in_the_namespace_of_its_birth()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        NetworkNamespace cell = await Lab.NamespaceAsync();
        await pair.ExpectPingsAsync();

        await pair.First.MoveAsync(cell);
        await cell.IpAsync($"address add {TunnelPair.First4}/24 dev {pair.First.Interface}");
        await cell.IpAsync($"address add {TunnelPair.First6}/64 dev {pair.First.Interface}");
        await cell.IpAsync($"link set {pair.First.Interface} up");

        await pair.ExpectPingsAsync();
        await Transfer.ExpectTcpAsync(Lab, cell, pair.Second.Inner, TunnelPair.Second4, 8 << 20);
        await Ping.ExpectSilenceAsync(pair.First.Space, TunnelPair.Second4);
        await cell.RunAsync("wg", "show", pair.First.Interface);

        // The port may change while the interface is away; the new socket, too, belongs to the first namespace.
        await pair.First.SetAsync("listen-port 40405");
        await Ping.ExpectAsync(cell, TunnelPair.Second4);
        Assert.Equal($"{TunnelPair.FirstOuter4}:40405", (await pair.Second.PeerAsync(pair.First)).Endpoint);

        await pair.First.MoveAsync(pair.First.Space);
        await pair.First.ExpectAliveAsync();
        await pair.First.Space.IpAsync($"address add {TunnelPair.First4}/24 dev {pair.First.Interface}");
        await pair.First.Space.IpAsync($"link set {pair.First.Interface} up");
        await Ping.ExpectAsync(pair.First.Space, TunnelPair.Second4);

        await pair.First.MoveAsync(cell);
        await cell.IpAsync($"link del {pair.First.Interface}");
        await pair.First.EndedAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_tunnel_inside_a_tunnel_carries_traffic()
    {
        TunnelPair outer = await TunnelPair.BuildAsync(Lab);
        TunnelEnd first = await TunnelEnd.StartAsync(Lab, outer.First.Space);
        TunnelEnd second = await TunnelEnd.StartAsync(Lab, outer.Second.Space);
        await first.UpAsync(51830, 1340, "192.168.242.1/24", "fd25::1/64");
        await second.UpAsync(51831, 1340, "192.168.242.2/24", "fd25::2/64");
        await first.SetPeerAsync(second, $"allowed-ips 192.168.242.2/32,fd25::2/128 endpoint {TunnelPair.Second4}:51831");
        await second.SetPeerAsync(first, $"allowed-ips 192.168.242.1/32,fd25::1/128 endpoint [{TunnelPair.First6}]:51830");

        await Ping.ExpectAsync(first.Inner, "192.168.242.2");
        await Ping.ExpectAsync(second.Inner, "fd25::1");
        await Transfer.ExpectTcpAsync(Lab, first.Inner, second.Inner, "192.168.242.2", 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, second.Inner, first.Inner, "fd25::1", 8 << 20);
    }

    /// <summary>The endpoint lies behind the tunnel itself: what goes round must stop by itself.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_routing_loop_ends(bool sessionFirst)
    {
        const long Bound = 70_000;
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        if (sessionFirst)
        {
            await pair.ExpectPingsAsync();
        }

        long before = (await pair.First.PeerAsync(pair.Second)).Sent;
        await pair.First.SetPeerAsync(pair.Second, $"endpoint {TunnelPair.Second4}:{TunnelPair.SecondPort}");
        await Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, "-c 3 -i 0.2 -W 1");
        long after = (await pair.First.PeerAsync(pair.Second)).Sent;

        if (sessionFirst && pair.First.Program.Is(Lacks.LoopGuard))
        {
            Assert.InRange(after - before, Bound, long.MaxValue);
            return;
        }

        Assert.InRange(after - before, 0, Bound);
        // The tunnel must be usable again once the mistake is undone.
        await pair.First.SetPeerAsync(pair.Second, $"endpoint {pair.SecondEndpoint}");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(12));
    }

    [Fact]
    public async Task A_link_that_was_down_carries_traffic_again()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();

        await pair.First.Space.IpAsync($"link set {pair.FirstLink} down");
        await Ping.ExpectSilenceAsync(pair.First.Inner, TunnelPair.Second4);
        await pair.First.ExpectAliveAsync();
        await pair.First.Space.IpAsync($"link set {pair.FirstLink} up");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(12));
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
    }

    /// <summary>Packets wait for a peer that is not there yet, and the handshake is tried again by itself.</summary>
    [Theory]
    [InlineData("unreachable")]
    [InlineData("blackhole")]
    public async Task An_endpoint_that_comes_into_reach_is_met(string route)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.First.Space.IpAsync($"route add {route} {TunnelPair.SecondOuter4}/32");
        await Ping.ExpectSilenceAsync(pair.First.Inner, TunnelPair.Second4);
        await Task.Delay(1000, Lab.Deadline);

        // One echo request goes out while the peer is away; its answer comes with the second attempt, some 5 s after the first.
        Task<PingResult> waiting = Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, "-c 1 -W 12");
        await Task.Delay(500, Lab.Deadline);
        await pair.First.Space.IpAsync($"route del {route} {TunnelPair.SecondOuter4}/32");
        Assert.Equal(1, (await waiting).Received);
    }
}
