using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>No datagram and no packet can crash the daemon, and none that was seen before counts again.</summary>
[Trait("Load", "light")]
public class GarbageTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const int Seed = 20_316;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Garbage_datagrams_are_survived(bool outerIpv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { OuterIpv6 = outerIpv6 });
        await pair.ExpectPingsAsync();
        long before = Resident(pair.Second);

        await pair.First.Space.RunAsync(
            [.. Agent.Command, "garbage-udp", outerIpv6 ? TunnelPair.SecondOuter6 : TunnelPair.SecondOuter4,
                TunnelPair.SecondPort.ToString(), "40000", Seed.ToString()]);

        await pair.Second.ExpectAliveAsync();
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(10));
        Assert.Equal(pair.FirstEndpoint, (await pair.Second.PeerAsync(pair.First)).Endpoint);
        Assert.InRange(Resident(pair.Second) - before, long.MinValue, 200 << 20);
    }

    [Fact]
    public async Task Garbage_packets_from_the_interface_are_survived()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        string index = (await pair.First.Inner.RunAsync("cat", $"/sys/class/net/{pair.First.Interface}/ifindex")).Output.Trim();

        await pair.First.Inner.RunAsync([.. Agent.Command, "garbage-tun", index, "40000", Seed.ToString()]);

        await pair.First.ExpectAliveAsync();
        await pair.Second.ExpectAliveAsync();
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(10));
        await Transfer.ExpectTcpAsync(Lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second6, 1 << 20);
    }

    /// <summary>What an eavesdropper sends again from elsewhere is neither delivered nor does it move the peer.</summary>
    [Fact]
    public async Task Replayed_datagrams_change_nothing()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        Capture outside = await Capture.StartAsync(
            Lab, pair.First.Space, pair.FirstLink, $"udp port {TunnelPair.SecondPort}", snapLength: 2000);
        PingResult pings = await Ping.RunAsync(pair.First.Inner, TunnelPair.Second4, "-c 50 -i 0.005 -W 2");
        Assert.Equal(50, pings.Received);
        await outside.StopAsync();

        Capture inside = await Capture.StartAsync(Lab, pair.Second.Inner, pair.Second.Interface);
        for (int round = 0; round < 2; round++)
        {
            await pair.First.Space.RunAsync(
                [.. Agent.Command, "replay", TunnelPair.SecondOuter4, TunnelPair.SecondPort.ToString(), outside.Path]);
        }

        await Task.Delay(500, Lab.Deadline);
        Assert.Empty(await inside.StopAsync());
        Assert.Equal(pair.FirstEndpoint, (await pair.Second.PeerAsync(pair.First)).Endpoint);
        await pair.ExpectPingsAsync();
    }

    /// <summary>Resident memory in bytes.</summary>
    private static long Resident(TunnelEnd end)
    {
        string line = File.ReadLines($"/proc/{end.Daemon.Id}/status").Single(static one => one.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2]) * 1024;
    }
}
