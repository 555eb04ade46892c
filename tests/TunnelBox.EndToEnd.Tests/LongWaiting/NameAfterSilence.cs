using System.Text.Json;
using TunnelBox.EndToEnd.Tests.Harness;

namespace TunnelBox.EndToEnd.Tests.LongWaiting;

/// <summary>A peer falls silent, its name leads elsewhere from then on, and the network here does not change: after 135 s of silence it is found there.</summary>
internal static class NameAfterSilence
{
    private const string Far = "far.example", Elsewhere = "10.77.0.66";

    public static async Task RunAsync(Lab lab)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(lab, new PairOptions { OneSided = true });
        TunnelEnd first = pair.First;
        first.Space.SetHosts($"{TunnelPair.SecondOuter4} {Far}\n");
        await first.Daemon.SignalAsync("TERM");
        await first.EndedAsync(TimeSpan.FromSeconds(10));
        await first.RestartAsync();
        await first.UpAsync(TunnelPair.FirstPort, pair.Options.Mtu, $"{TunnelPair.First4}/24");
        await first.Space.RunAsync(TunnelProgram.Tunnelctl, "set", first.Interface, "peer", pair.Second.Keys.Public,
            "allowed-ips", $"{TunnelPair.Second4}/32", "endpoint", $"{Far}:{TunnelPair.SecondPort}", "persistent-keepalive", "10");
        await Ping.ExpectAsync(first.Inner, TunnelPair.Second4);

        // What has moved away is another machine in truth: it does not know that it should call here, it only answers.
        await pair.Second.Space.NftAsync($"table inet still {{\nchain out {{\ntype filter hook output priority 0;\nudp sport {TunnelPair.SecondPort} ct direction original drop;\n}}\n}}\n");
        await pair.Second.Space.IpAsync($"address add {Elsewhere}/24 dev {pair.SecondLink}");
        await pair.Second.Space.IpAsync($"address del {TunnelPair.SecondOuter4}/24 dev {pair.SecondLink}");
        first.Space.SetHosts($"{Elsewhere} {Far}\n");
        TimeSpan start = lab.Elapsed;
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(160),
            async () =>
            {
                // A status a second is enough, on a machine that has other tests to run.
                await Task.Delay(1000, lab.Deadline);
                return await EndpointAsync(first) == $"{Elsewhere}:{TunnelPair.SecondPort}";
            },
            "the peer was not looked for where its name leads");
        // Since the last keepalive was heard, which may have been before the change.
        Assert.InRange((lab.Elapsed - start).TotalSeconds, 110, 150);
        await Ping.UntilAnsweredAsync(first.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(10));
    }

    private static async Task<string?> EndpointAsync(TunnelEnd end)
    {
        using JsonDocument document = JsonDocument.Parse((await end.Space.RunAsync(TunnelProgram.Tunnelctl, "status", end.Interface, "--json")).Output);
        return document.RootElement.GetProperty("interfaces")[0].GetProperty("peers")[0].GetProperty("endpoint").GetString();
    }
}
