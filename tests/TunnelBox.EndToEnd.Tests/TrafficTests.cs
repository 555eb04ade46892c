using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>IPv4 and IPv6, inside and outside, small and large: real TCP, UDP and ICMP arrive whole.</summary>
public class TrafficTests(ITestOutputHelper output) : EndToEndTest(output, 90)
{
    private const long Megabyte = 1 << 20;

    [Theory]
    [InlineData(false, 1420)]
    [InlineData(true, 1420)]
    [InlineData(false, 34000)]
    [InlineData(true, 34000)]
    public async Task Every_kind_of_traffic_passes(bool outerIpv6, int mtu)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(
            Lab, new PairOptions { OuterIpv6 = outerIpv6, Mtu = mtu, OuterMtu = mtu > 1500 ? 36000 : 1500 });
        await pair.ExpectPingsAsync();

        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 24 * Megabyte);
        await Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First4, 24 * Megabyte);
        await Task.WhenAll(
            Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second6, 24 * Megabyte),
            Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, 24 * Megabyte));

        foreach (int size in (int[])[16, mtu - 48])
        {
            DatagramCount udp = await Transfer.UdpAsync(
                Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second6, count: 300, rate: size > 2000 ? 100 : 300, size);
            udp.Expect(mayBeLost: pair.Second.Program.Is(Lacks.LargeBuffers) ? 45 : size > 2000 ? 15 : 6);
        }

        PingResult largest = await Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, $"-c 5 -i 0.01 -M do -s {mtu - 28}");
        Assert.Equal(5, largest.Received);
        PingResult fragments = await Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, "-c 5 -i 0.01 -s 60000");
        Assert.Equal(5, fragments.Received);
    }

    [Fact]
    public async Task Ping_flood_is_answered()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();

        foreach (string address in (string[])[TunnelPair.Second4, TunnelPair.Second6])
        {
            PingResult flood = await Ping.RunAsync(pair.First.Inner, address, "-f -c 5000 -w 20");
            Assert.Equal(5000, flood.Sent);
            Assert.InRange(flood.Received, 4990, 5000);
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(50)]
    public async Task Parallel_streams_all_move(int streams)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();

        Iperf3Result forward = await Iperf3.RunAsync(
            Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, $"-t 2 -P {streams}");
        Assert.InRange(forward.ReceivedRate, 50e6, double.MaxValue);
        Iperf3Result backward = await Iperf3.RunAsync(
            Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second6, $"-t 2 -R -P {streams}");
        Assert.InRange(backward.ReceivedRate, 50e6, double.MaxValue);
    }

    [Fact]
    public async Task Udp_at_a_moderate_rate_loses_almost_nothing()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();

        Iperf3Result udp = await Iperf3.RunAsync(
            Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, "-u -t 3 -b 5M -l 1300");
        Assert.InRange(udp.Packets, 1_200, long.MaxValue);
        Assert.InRange(udp.LostPackets, 0, udp.Packets / (pair.Second.Program.Is(Lacks.LargeBuffers) ? 7 : 50));
    }

    [Fact]
    public async Task Ends_with_different_preshared_keys_do_not_meet()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Preshared = true });
        string other = Lab.WriteFile("other.psk", await TunnelKeys.PresharedAsync(Lab.Deadline));

        await pair.First.SetPeerAsync(pair.Second, $"preshared-key {other}");
        await Ping.ExpectSilenceAsync(pair.First.Inner, TunnelPair.Second4);

        await pair.Second.SetPeerAsync(pair.First, $"preshared-key {other}");
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(15));
    }
}
