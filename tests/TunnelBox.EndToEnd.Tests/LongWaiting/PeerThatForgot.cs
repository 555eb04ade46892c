using TunnelBox.EndToEnd.Tests.Harness;

namespace TunnelBox.EndToEnd.Tests.LongWaiting;

/// <summary>A peer that lost its sessions cannot say so: 15 s of sending without an answer must begin a new handshake.</summary>
internal static class PeerThatForgot
{
    public static async Task RunAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        await pair.First.Inner.RunAsync("ping", "-c", "1", "-W", "3", TunnelPair.Second4);

        await pair.Second.Daemon.SignalAsync("KILL");
        await pair.Second.EndedAsync(TimeSpan.FromSeconds(5));
        await pair.Second.RestartAsync();
        await pair.Second.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24", $"{TunnelPair.Second6}/64");
        await pair.Second.SetPeerAsync(pair.First, $"allowed-ips {TunnelPair.First4}/32,{TunnelPair.First6}/128");

        TimeSpan before = lab.Elapsed;
        await Ping.UntilAnsweredAsync(pair.First.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(30));
        Assert.InRange((lab.Elapsed - before).TotalSeconds, 12, 22);
    }
}
