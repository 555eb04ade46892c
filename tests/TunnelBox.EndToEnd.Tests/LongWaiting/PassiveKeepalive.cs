using TunnelBox.EndToEnd.Tests.Harness;

namespace TunnelBox.EndToEnd.Tests.LongWaiting;

/// <summary>Data that is not answered is acknowledged by one empty message after 10 s; that one is not answered by another.</summary>
internal static class PassiveKeepalive
{
    private const int EmptyMessage = 32;

    public static async Task RunAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab);
        await pair.ExpectPingsAsync();
        await Task.Delay(TimeSpan.FromSeconds(13), lab.Deadline);

        await using RunningProcess sink = await pair.Second.Inner.StartAsync(
            [.. Agent.Command, "udp-receive", TunnelPair.Second4, "4444"]);
        await sink.WaitForOutputAsync("ready", lab.Deadline);
        Capture capture = await Capture.StartAsync(lab, pair.First.Space, pair.FirstLink, $"udp port {TunnelPair.FirstPort}");
        await pair.First.Inner.RunAsync("bash", "-c", $"echo one datagram >/dev/udp/{TunnelPair.Second4}/4444");
        await Task.Delay(TimeSpan.FromSeconds(35), lab.Deadline);

        IReadOnlyList<IpPacket> seen = await capture.StopAsync();
        IpPacket last = seen.Last(static one => one.SourcePort == TunnelPair.FirstPort);
        IpPacket answer = Assert.Single(seen, static one => one.SourcePort == TunnelPair.SecondPort);
        Assert.Equal(EmptyMessage, answer.DatagramLength);
        Assert.InRange(answer.Time - seen[0].Time, 9.9, 11.5);
        Assert.True(last.Time < answer.Time, "an empty message was answered");
    }
}
