using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>
/// Our program against the pinned wireguard-go packages of <c>interop/wireguard-go</c> and against itself, on sockets and on AF_XDP, each
/// way round, driven by the real wg. The kernel's WireGuard is met in <see cref="KernelInteropTests"/>.
/// </summary>
public class InteropTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const long Bulk = 20_000_000, Little = 1_000_000;
    private static readonly TimeSpan s_rekeyTimeout = TimeSpan.FromSeconds(5.1);

    /// <summary>The two ends, whether the first is ours and begins, preshared key, outer IPv6, MTU of the tunnel: each pair of values in some row.</summary>
    public static TheoryData<string, bool, bool, bool, int> Some => new()
    {
        { "udp, 0.0.20220316", true, false, false, 1420 },
        { "udp, 0.0.20220316", false, true, true, 1280 },
        { "udp, 0.0.20231211", true, true, false, 9000 },
        { "udp, 0.0.20231211", false, false, true, 1420 },
        { "udp, udp", true, true, true, 9000 },
        { "udp, xdp", false, false, false, 1280 },
        { "xdp, xdp", true, true, false, 1420 },
        { "xdp, 0.0.20231211", true, false, true, 9000 },
    };

    /// <summary>All the others; who begins goes by turns.</summary>
    public static TheoryData<string, bool, bool, bool, int> Others
    {
        get
        {
            var others = new TheoryData<string, bool, bool, bool, int>();
            HashSet<string> had = [.. Some.Select(static row => $"{row[0]} {row[2]} {row[3]} {row[4]}")];
            foreach (string ends in new[] { "udp, 0.0.20220316", "udp, 0.0.20231211", "udp, udp", "udp, xdp", "xdp, xdp", "xdp, 0.0.20231211" })
            {
                foreach (int mtu in new[] { 1280, 1420, 9000 })
                {
                    for (int bits = 0; bits < 4; bits++)
                    {
                        (bool preshared, bool outerIpv6) = ((bits & 2) != 0, (bits & 1) != 0);
                        if (!had.Contains($"{ends} {preshared} {outerIpv6} {mtu}"))
                        {
                            others.Add(ends, int.IsEvenInteger(int.PopCount(bits) + (mtu == 1420 ? 1 : 0) + ends.Length), preshared, outerIpv6, mtu);
                        }
                    }
                }
            }

            return others;
        }
    }

    [Theory]
    [MemberData(nameof(Some))]
    public Task Data_arrives_whole_both_ways_and_through_a_rekey(string ends, bool oursBegins, bool preshared, bool outerIpv6, int mtu) =>
        ExpectAsync(ends, oursBegins, preshared, outerIpv6, mtu);

    [Theory]
    [Trait("Tier", "all")]
    [MemberData(nameof(Others))]
    public Task So_it_does_in_every_other_combination(string ends, bool oursBegins, bool preshared, bool outerIpv6, int mtu) =>
        ExpectAsync(ends, oursBegins, preshared, outerIpv6, mtu);

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

    private async Task ExpectAsync(string ends, bool oursBegins, bool preshared, bool outerIpv6, int mtu)
    {
        string[] kinds = ends.Split(", ");
        TunnelProgram ours = TunnelProgram.Default;
        TunnelProgram theirs = kinds[1] switch
        {
            "0.0.20220316" => await TunnelProgram.WireGuardGo2022Async(),
            "0.0.20231211" => await TunnelProgram.WireGuardGo2023Async(),
            _ => ours,
        };
        // With a preshared key, large packets go out in fragments, where the other end can do that.
        bool narrow = preshared && !theirs.Is(Lacks.NarrowRoute);
        // Only the first end knows the other's endpoint, so the first handshake is its own.
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions
        {
            First = oursBegins ? ours : theirs,
            Second = oursBegins ? theirs : ours,
            FirstXdp = kinds[oursBegins ? 0 : 1] == "xdp",
            SecondXdp = kinds[oursBegins ? 1 : 0] == "xdp",
            OneSided = true,
            Preshared = preshared,
            OuterIpv6 = outerIpv6,
            Mtu = mtu,
            OuterMtu = mtu < 1500 || narrow ? 1500 : mtu + 80,
        });
        TunnelEnd our = oursBegins ? pair.First : pair.Second;
        TunnelEnd other = oursBegins ? pair.Second : pair.First;

        await pair.ExpectPingsAsync();
        TimeSpan met = Lab.Elapsed;
        await ExpectPortsAsync(pair);
        PingResult largest = await Ping.RunAsync(pair.First.Inner, TunnelPair.Second6, $"-c 5 -i 0.01 -M do -s {mtu - 48}");
        Assert.Equal(5, largest.Received);
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, Bulk);
        await Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, Little);
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second6, Little);
        (await Transfer.UdpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, count: 300, rate: 300, size: 33))
            .Expect(mayBeLost: 15);
        if (met + s_rekeyTimeout > Lab.Elapsed && oursBegins)
        {
            // One initiation in REKEY_TIMEOUT.
            await Task.Delay(met + s_rekeyTimeout - Lab.Elapsed, Lab.Deadline);
        }

        await ExpectRekeyUnderTrafficAsync(pair, our, other, mtu);

        WgPeer first = await pair.First.PeerAsync(pair.Second);
        WgPeer second = await pair.Second.PeerAsync(pair.First);
        Assert.Equal(preshared, first.PresharedKey is not null);
        // A queue between them may have dropped some of what TCP then sent again; nothing is received that was not sent.
        Assert.InRange(second.Received, first.Sent / 2, first.Sent);
        Assert.InRange(first.Received, second.Sent / 2, second.Sent);
        Assert.Equal(pair.FirstEndpoint, second.Endpoint);
        await ExpectPortsAsync(pair);
        await ExpectAnswererToBeginAsync(pair, first.PresharedKey);
    }

    // A stream of numbered datagrams one way and TCP the other, while our end asks for a new session: next to nothing of the one is lost, nothing of the other.
    private async Task ExpectRekeyUnderTrafficAsync(TunnelPair pair, TunnelEnd our, TunnelEnd other, int mtu)
    {
        long before = (await our.PeerAsync(other)).LatestHandshake;
        long there = (await other.PeerAsync(our)).LatestHandshake;
        Task<DatagramCount> datagrams = Transfer.UdpAsync(
            Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, count: 1000, rate: 500, size: Math.Min(mtu - 28, 1372));
        Task stream = Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, Bulk);
        await our.Space.RunAsync(TunnelProgram.Tunnelctl, "ping", our.Interface, other.Keys.Public, "--handshake", "--count", "1");
        await stream;
        (await datagrams).Expect(mayBeLost: 15);
        Assert.InRange((await our.PeerAsync(other)).LatestHandshake, before + 1, long.MaxValue);
        Assert.InRange((await other.PeerAsync(our)).LatestHandshake, there + 1, long.MaxValue);
    }

    // A restart forgets the session, and the answerer has learnt the endpoint.
    private async Task ExpectAnswererToBeginAsync(TunnelPair pair, string? secret)
    {
        await pair.First.Inner.IpAsync($"link set {pair.First.Interface} down");
        await Task.Delay(200, Lab.Deadline);
        await pair.First.Inner.IpAsync($"link set {pair.First.Interface} up");
        // A link that goes down loses its IPv6 addresses.
        await pair.First.Inner.IpAsync($"address replace {TunnelPair.First6}/64 dev {pair.First.Interface} nodad");
        await pair.Second.SetAsync($"peer {pair.First.Keys.Public} remove");
        string shared = secret is null ? "" : "preshared-key " + Lab.WriteFile("again.psk", secret);
        await pair.Second.SetPeerAsync(
            pair.First, $"{shared} allowed-ips {TunnelPair.First4}/32,{TunnelPair.First6}/128 endpoint {pair.FirstEndpoint}");
        await Ping.UntilAnsweredAsync(pair.Second.Inner, TunnelPair.First4, TimeSpan.FromSeconds(12));
        await pair.ExpectPingsAsync();
    }

    private static async Task ExpectPortsAsync(TunnelPair pair)
    {
        foreach ((TunnelEnd end, bool xdp, string link) in ((TunnelEnd, bool, string)[])
            [(pair.First, pair.Options.FirstXdp, pair.FirstLink), (pair.Second, pair.Options.SecondXdp, pair.SecondLink)])
        {
            if (xdp)
            {
                await XdpSide.ExpectAsync(end, $"xdp:{link}");
                await XdpSide.ExpectFramesHomeAsync(end);
            }
        }
    }
}
