using TunnelBox.EndToEnd.Tests.Harness;

namespace TunnelBox.EndToEnd.Tests.LongWaiting;

/// <summary>A peer that never answers is asked every 5 s and a bit for 90 s, then no more until there is something new to send.</summary>
internal static class HandshakeGiveUp
{
    private const int InitiationType = 1;

    public static async Task RunAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab);
        await pair.Second.Space.NftAsync("""
            table inet wall {
                chain input {
                    type filter hook prerouting priority -300; policy accept;
                    meta l4proto udp drop
                }
            }
            """);
        Capture capture = await Capture.StartAsync(lab, pair.Second.Space, pair.SecondLink, "udp");
        await Ping.ExpectSilenceAsync(pair.First.Inner, TunnelPair.Second4);
        await Task.Delay(TimeSpan.FromSeconds(118), lab.Deadline);

        IpPacket[] asked = [.. (await capture.PeekAsync()).Where(static one => one.SourcePort == TunnelPair.FirstPort)];
        Assert.All(asked, static one => Assert.Equal(InitiationType, one.MessageType));
        Assert.InRange(asked.Length, 16, 21);
        Assert.InRange(asked[^1].Time - asked[0].Time, 80, 108);
        double[] gaps = [.. asked.Zip(asked.Skip(1), static (one, next) => next.Time - one.Time)];
        Assert.All(gaps, static gap => Assert.InRange(gap, 4.95, 6.5));
        // Jitter, and a fresh ephemeral key and index each time.
        Assert.True(gaps.Max() - gaps.Min() > 0.01, "the attempts have no jitter");
        Assert.Equal(asked.Length, asked.Select(static one => Convert.ToHexString(one.Datagram[4..40])).Distinct().Count());

        await Ping.ExpectSilenceAsync(pair.First.Inner, TunnelPair.Second4);
        Assert.Equal(asked.Length + 1, (await capture.StopAsync()).Count(static one => one.SourcePort == TunnelPair.FirstPort));
    }
}
