using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary><c>tunnelctl top</c> on a running tunnel, without and with a terminal.</summary>
[Trait("Load", "light")]
public class TopTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Fact]
    public async Task Tables_show_traffic_drops_and_load()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        await pair.First.Space.IpAsync($"route add 10.99.0.0/24 dev {pair.First.Interface}");
        await pair.First.Space.StartAsync(["ping", "-i", "0.05", "-s", "1000", TunnelPair.Second4]);
        await pair.First.Space.StartAsync(["ping", "-i", "0.1", "10.99.0.1"]);
        string shown = (await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "top", pair.First.Interface, "--count", "3"])).Expect().Output;
        string last = shown[shown.LastIndexOf(pair.First.Interface + " up", StringComparison.Ordinal)..];
        Assert.Matches("in [0-9.]+ kbit/s", last);
        Assert.Matches($@"{System.Text.RegularExpressions.Regex.Escape(pair.Second.Keys.Public[..8])}… +active +{TunnelPair.SecondOuter4}:{TunnelPair.SecondPort} +[0-9.]+ kbit/s +[▁▂▃▄▅▆▇█]+", last);
        Assert.Matches(@"OutNoStates +([5-9]|1[0-9])(\.[0-9])? +[0-9]+", last);
        Assert.Matches(@"tb-worker-0 +[0-9]+ % +[0-9]+ µs", last);
        Assert.Matches(@"[0-9]+ s +[0-9.]+ ms", last);
        Assert.DoesNotContain('\e', shown);
    }

    [Fact]
    public async Task A_terminal_is_given_back_as_it_was()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        CommandResult shown = (await pair.First.Space.TryAsync(
            ["env", "TERM=xterm-256color", "script", "-qefc", $"stty rows 40 cols 150; {TunnelProgram.Tunnelctl} top {pair.First.Interface} --count 2 --interval 0.3", "/dev/null"])).Expect();
        Assert.Contains("\e[?1049h", shown.Output, StringComparison.Ordinal);
        Assert.Contains("tb-worker-0", shown.Output, StringComparison.Ordinal);
        Assert.Contains("\e[?1049l", shown.Output, StringComparison.Ordinal);
        CommandResult refused = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "top", pair.First.Interface, "--intervall", "1"]);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("Did you mean --interval", refused.Error, StringComparison.Ordinal);
    }
}
