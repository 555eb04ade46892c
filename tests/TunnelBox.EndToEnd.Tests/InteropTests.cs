using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Our program against the pinned wireguard-go packages of <c>interop/wireguard-go</c>, each way round, driven by the real wg.</summary>
public class InteropTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    /// <summary>Release of wireguard-go, whether ours begins, preshared key, outer IPv6.</summary>
    public static TheoryData<string, bool, bool, bool> Matrix
    {
        get
        {
            var matrix = new TheoryData<string, bool, bool, bool>();
            for (int bits = 0; bits < 16; bits++)
            {
                matrix.Add((bits & 8) == 0 ? "0.0.20220316" : "0.0.20231211", (bits & 4) == 0, (bits & 2) != 0, (bits & 1) != 0);
            }

            return matrix;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public async Task Traffic_passes_to_and_from_wireguard_go(string release, bool oursBegins, bool preshared, bool outerIpv6)
    {
        TunnelProgram theirs = release == "0.0.20220316"
            ? await TunnelProgram.WireGuardGo2022Async()
            : await TunnelProgram.WireGuardGo2023Async();
        // Only the first end knows the other's endpoint, so the first handshake is its own.
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions
        {
            First = oursBegins ? TunnelProgram.Default : theirs,
            Second = oursBegins ? theirs : TunnelProgram.Default,
            OneSided = true,
            Preshared = preshared,
            OuterIpv6 = outerIpv6,
        });

        await pair.ExpectPingsAsync();
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 8 << 20);
        await Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, 8 << 20);
        (await Transfer.UdpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, count: 300, rate: 300, size: 1372))
            .Expect(mayBeLost: 15);
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, count: 300, rate: 300, size: 33))
            .Expect(mayBeLost: 15);

        WgPeer first = await pair.First.PeerAsync(pair.Second);
        WgPeer second = await pair.Second.PeerAsync(pair.First);
        Assert.Equal(preshared, first.PresharedKey is not null);
        // A queue between them may have dropped some of what TCP then sent again; nothing is received that was not sent.
        Assert.InRange(second.Received, first.Sent / 2, first.Sent);
        Assert.InRange(first.Received, second.Sent / 2, second.Sent);
        Assert.Equal(pair.FirstEndpoint, second.Endpoint);

        // The one that answered now begins: a restart forgets the session, and the answerer has learnt the endpoint.
        await pair.First.Inner.IpAsync($"link set {pair.First.Interface} down");
        await Task.Delay(200, Lab.Deadline);
        await pair.First.Inner.IpAsync($"link set {pair.First.Interface} up");
        // A link that goes down loses its IPv6 addresses.
        await pair.First.Inner.IpAsync($"address replace {TunnelPair.First6}/64 dev {pair.First.Interface} nodad");
        await pair.Second.SetAsync($"peer {pair.First.Keys.Public} remove");
        string shared = preshared ? "preshared-key " + Lab.WriteFile("again.psk", first.PresharedKey!) : "";
        await pair.Second.SetPeerAsync(
            pair.First, $"{shared} allowed-ips {TunnelPair.First4}/32,{TunnelPair.First6}/128 endpoint {pair.FirstEndpoint}");
        await Ping.UntilAnsweredAsync(pair.Second.Inner, TunnelPair.First4, TimeSpan.FromSeconds(12));
        await pair.ExpectPingsAsync();
    }

    /// <summary>Roaming and fast streams with the foreign ends; offloads differ between the two releases.</summary>
    [Theory]
    [InlineData("0.0.20220316")]
    [InlineData("0.0.20231211")]
    public async Task Streams_and_roaming_work_with_wireguard_go(string release)
    {
        TunnelProgram theirs = release == "0.0.20220316"
            ? await TunnelProgram.WireGuardGo2022Async()
            : await TunnelProgram.WireGuardGo2023Async();
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { First = TunnelProgram.Default, Second = theirs });
        await pair.ExpectPingsAsync();

        Iperf3Result forward = await Iperf3.RunAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, "-t 2 -P 4");
        Assert.InRange(forward.ReceivedRate, 50e6, double.MaxValue);
        Iperf3Result backward = await Iperf3.RunAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second6, "-t 2 -P 4 -R");
        Assert.InRange(backward.ReceivedRate, 50e6, double.MaxValue);

        await pair.First.SetAsync("listen-port 40404");
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        Assert.Equal($"{TunnelPair.FirstOuter4}:40404", (await pair.Second.PeerAsync(pair.First)).Endpoint);
        await pair.Second.SetAsync("listen-port 40405");
        await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
        Assert.Equal($"{TunnelPair.SecondOuter4}:40405", (await pair.First.PeerAsync(pair.Second)).Endpoint);
    }
}
