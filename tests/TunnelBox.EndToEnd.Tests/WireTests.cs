using System.Globalization;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>What the tunnel looks like from the wire: marks, padding, lengths, counts.</summary>
[Trait("Load", "light")]
public class WireTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const int DataOverhead = 32, InitiationType = 1, DataType = 4;

    /// <summary>RFC 6040, normal mode: the inner mark is copied to the outer header, the rest of the traffic class is not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_outer_header_carries_the_inner_congestion_mark(bool outerIpv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OuterIpv6 = outerIpv6 });
        await pair.ExpectPingsAsync();
        foreach (string address in (string[])[TunnelPair.Second4, TunnelPair.Second6])
        {
            for (int mark = 0; mark < 4; mark++)
            {
                Capture capture = await Capture.StartAsync(Lab, pair.First.Space, pair.FirstLink, $"src port {TunnelPair.FirstPort}");
                await Ping.ExpectAsync(pair.First.Inner, address, options: $"-Q {0xb8 | mark}");
                int expected = pair.First.Program.Is(Lacks.Ecn) ? 0 : mark;
                Assert.All(
                    (await capture.StopAsync()).Where(static packet => packet.MessageType == DataType),
                    packet => Assert.Equal(expected, packet.TrafficClass));
            }
        }
    }

    /// <summary>RFC 6040: congestion met on the way reaches an inner packet that can carry it, and drops one that cannot.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Congestion_met_outside_is_told_inside(bool outerIpv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OuterIpv6 = outerIpv6 });
        await pair.ExpectPingsAsync();
        string family = outerIpv6 ? "ip6" : "ip";
        await pair.Second.Space.NftAsync($$"""
            table inet congestion {
                chain input {
                    type filter hook prerouting priority -300; policy accept;
                    udp dport {{TunnelPair.SecondPort}} {{family}} ecn set ce
                }
            }
            """);
        foreach (string address in (string[])[TunnelPair.Second4, TunnelPair.Second6])
        {
            for (int mark = 0; mark < 4; mark++)
            {
                Capture capture = await Capture.StartAsync(
                    Lab, pair.Second.Inner, pair.Second.Interface, address == TunnelPair.Second4
                        ? "icmp[icmptype]=icmp-echo" : "icmp6 and ip6[40]=128");
                await Ping.RunAsync(pair.First.Inner, address, $"-c 1 -W 1 -Q {mark}");
                int[] seen = [.. (await capture.StopAsync()).Select(static packet => packet.Ecn)];
                int[] expected = pair.Second.Program.Is(Lacks.Ecn) ? [mark] : mark == 0 ? [] : [3];
                Assert.Equal(expected, seen);
            }
        }
    }

    /// <summary>tshark's own WireGuard dissector is the judge of the messages, the padding and the don't-fragment bit.</summary>
    [Fact]
    public async Task Tshark_sees_padded_messages_that_may_be_fragmented()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        Capture capture = await Capture.StartAsync(
            Lab, pair.First.Space, pair.FirstLink, $"udp port {TunnelPair.FirstPort}", snapLength: 2000);
        int[] sizes = [0, 1, 3, 4, 15, 16, 17, 100, 1000, 1380, 1391, 1392];
        foreach (int size in sizes)
        {
            PingResult ping = await Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, $"-c 1 -W 2 -M do -s {size}");
            Assert.Equal(1, ping.Received);
        }

        await capture.StopAsync();
        CommandResult read = await Lab.RunAsync(
            "tshark", "-r", capture.Path, "-d", $"udp.port=={TunnelPair.FirstPort},wg", "-T", "fields",
            "-e", "wg.type", "-e", "udp.length", "-e", "ip.flags.df", "-e", "udp.srcport", "-e", "_ws.malformed");
        string[][] rows = [.. read.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static row => row.Split('\t'))];
        Assert.Equal(["1", "2"], rows.Take(2).Select(static row => row[0]));
        Assert.All(rows, static row => Assert.Equal("", row[4]));
        string fragmentation = pair.First.Program.Is(Lacks.DontFragmentClear) ? "1" : "0";
        Assert.All(rows, row => Assert.Equal(fragmentation, row[2]));

        // Padding goes up to the next 16 bytes, but never past the MTU.
        int[] expected = [.. sizes.Select(static size => Math.Min((size + 28 + 15) / 16 * 16, 1420) + DataOverhead)];
        int[] seen = [.. rows.Where(static row => row[0] == "4" && row[3] == "51820")
            .Select(static row => int.Parse(row[1], CultureInfo.InvariantCulture) - 8)];
        Assert.Equal(expected, seen);
    }

    /// <summary>Both ends count every byte of every message, handshakes included, and nothing else.</summary>
    [Fact]
    public async Task Byte_counters_are_exact()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        Capture capture = await Capture.StartAsync(Lab, pair.First.Space, pair.FirstLink, $"udp port {TunnelPair.FirstPort}");
        await Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, "-c 20 -i 0.01 -s 1111 -W 2");
        await Ping.RunAsync(pair.Second.Inner, TunnelPair.First6, "-c 20 -i 0.01 -s 3 -W 2");
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 300_000);
        await Task.Delay(300, Lab.Deadline);

        IReadOnlyList<IpPacket> packets = await capture.StopAsync();
        long there = packets.Where(static one => one.SourcePort == TunnelPair.FirstPort).Sum(static one => (long)one.DatagramLength);
        long back = packets.Where(static one => one.SourcePort == TunnelPair.SecondPort).Sum(static one => (long)one.DatagramLength);
        WgPeer first = await pair.First.PeerAsync(pair.Second);
        WgPeer second = await pair.Second.PeerAsync(pair.First);
        Assert.Equal((there, back), (first.Sent, first.Received));
        Assert.Equal((back, there), (second.Sent, second.Received));
        Assert.Contains(packets, static one => one.MessageType == InitiationType);
    }

    /// <summary>A route narrower than the tunnel's segments: what UDP_SEGMENT refuses there must go out all the same.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_route_of_mtu_1400_carries_full_segments(bool outerIpv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OuterIpv6 = outerIpv6 });
        foreach ((TunnelEnd end, string link, string target) in ((TunnelEnd, string, string)[])
            [
                (pair.First, pair.FirstLink, outerIpv6 ? TunnelPair.SecondOuter6 : TunnelPair.SecondOuter4),
                (pair.Second, pair.SecondLink, outerIpv6 ? TunnelPair.FirstOuter6 : TunnelPair.FirstOuter4),
            ])
        {
            await end.Space.IpAsync($"route add {target} dev {link} mtu 1400");
        }

        await pair.ExpectPingsAsync();
        if (pair.First.Program.Is(Lacks.NarrowRoute))
        {
            Iperf3Result stalled = await Iperf3.RunAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, "-t 2");
            Assert.InRange(stalled.ReceivedRate, 0, 20e6);
            return;
        }

        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, 16 << 20);
        await Transfer.ExpectTcpAsync(Lab, pair.Second.Inner, pair.First.Inner, TunnelPair.First6, 16 << 20);
    }
}
