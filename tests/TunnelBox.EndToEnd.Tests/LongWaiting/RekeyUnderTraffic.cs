using TunnelBox.EndToEnd.Tests.Harness;

namespace TunnelBox.EndToEnd.Tests.LongWaiting;

/// <summary>130 s of TCP and numbered UDP across REKEY_AFTER_TIME: a new session, and nobody notices.</summary>
internal static class RekeyUnderTraffic
{
    private const int Seconds = 130, Rate = 100, InitiationType = 1;

    /// <summary>Datagrams that may be lost around the rekey, and in all: the machine is busy with other tests meanwhile.</summary>
    private const int LostAtRekey = 3, LostInAll = Seconds * Rate / 100;

    public static async Task RunAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab);
        Capture capture = await Capture.StartAsync(
            lab, pair.First.Space, pair.FirstLink, $"udp port {TunnelPair.FirstPort} and (udp[8] = 1 or udp[8] = 2)");
        await pair.ExpectPingsAsync();
        long firstHandshake = (await pair.First.PeerAsync(pair.Second)).LatestHandshake;

        Task<Iperf3Result> tcp = Iperf3.RunAsync(
            lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second4, $"-t {Seconds} -b 2M -l 4K");
        DatagramCount udp = await Transfer.UdpAsync(
            lab, pair.First.Inner, pair.Second.Inner, TunnelPair.Second6, Seconds * Rate, Rate, size: 500);
        Iperf3Result stream = await tcp;

        udp.Expect(pair.Second.Program.Is(Lacks.LargeBuffers) ? LostInAll * 3 : LostInAll);
        int lost = udp.LostBetween(117 * Rate, 125 * Rate);
        Assert.True(lost <= LostAtRekey, $"{lost} of {udp} were lost around the rekey");
        // 2 Mbit/s were asked for; a stall of more than 13 s would miss nine tenths of it.
        Assert.InRange(stream.ReceivedRate, 1.8e6, double.MaxValue);

        IpPacket[] initiations = [.. (await capture.StopAsync()).Where(static one => one.MessageType == InitiationType)];
        IpPacket[] first = [.. initiations.Where(static one => one.SourcePort == TunnelPair.FirstPort)];
        Assert.Equal(2, first.Length);
        Assert.Equal(initiations.Length, first.Length);
        Assert.InRange(first[1].Time - first[0].Time, 119.5, 128);
        Assert.InRange((await pair.First.PeerAsync(pair.Second)).LatestHandshake - firstHandshake, 119, 128);
    }
}
