using System.Globalization;
using System.Text.Json;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary><c>tunnelctl stat</c> on a running tunnel: what passed, what was dropped, and why.</summary>
[Trait("Load", "light")]
public class StatTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Fact]
    public async Task Counts_say_what_passed_and_why_the_rest_did_not()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        await pair.First.Space.IpAsync($"route add 10.99.0.0/24 dev {pair.First.Interface}");
        await pair.First.Space.TryAsync(["ping", "-c", "3", "-i", "0.2", "-W", "1", "10.99.0.1"]);

        // A source that the other end does not expect of this peer: the drop is the peer's.
        await pair.First.Space.IpAsync($"address add 10.98.0.1/32 dev {pair.First.Interface}");
        await pair.First.Space.TryAsync(["ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", "10.98.0.1", TunnelPair.Second4]);

        Dictionary<string, long> counts = Parse((await StatAsync(pair.First)).Expect().Output);
        Assert.InRange(counts["OutNoStates"], 3, 30); // the kernel may look for routers, too
        Assert.InRange(counts["DroppedBytes"], 3 * 84, 30 * 84);
        Assert.Equal(0, counts["InStateProtoError"]);
        Assert.InRange(counts["OutPackets"], 4, 200);
        Assert.InRange(counts["tb-worker-0.OuterSentPackets"], counts["OutPackets"], counts["OutPackets"] + 10);
        Assert.InRange(counts["tb-handshake.OuterSentPackets"], 1, 10);

        string explained = (await StatAsync(pair.First, "--explain")).Expect().Output;
        Assert.Contains("OutNoStates", explained, StringComparison.Ordinal);
        Assert.Contains("Add the destination to AllowedIPs", explained, StringComparison.Ordinal);
        Assert.DoesNotContain("InHdrError", explained, StringComparison.Ordinal);

        Dictionary<string, long> ofPeer = Parse((await StatAsync(pair.Second, "--peer", pair.First.Keys.Public)).Expect().Output);
        Assert.Equal(2, ofPeer["InTmplMismatch"]);
        Assert.InRange(ofPeer["InPackets"], 4, 200);
        Assert.Equal(2, ofPeer["DroppedPackets"]);
        WgPeer shown = await pair.Second.PeerAsync(pair.First);
        Assert.InRange(ofPeer["InBytes"], 1, shown.Received);

        using var json = JsonDocument.Parse((await StatAsync(pair.First, "--json")).Expect().Output);
        Assert.Equal(1, json.RootElement.GetProperty("version").GetInt32());
        Assert.Equal(pair.First.Interface, json.RootElement.GetProperty("interface").GetString());
    }

    [Fact]
    public async Task Watching_shows_rates_of_what_grows()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        await pair.First.Space.StartAsync(["ping", "-i", "0.1", TunnelPair.Second4]);
        string watched = (await StatAsync(pair.First, "--watch", "--count", "2")).Expect().Output;
        string[] rates = [.. watched.Split('\n').Where(line => line.StartsWith("OutPackets", StringComparison.Ordinal))];
        Assert.Equal(2, rates.Length);
        Assert.All(rates, line => Assert.Matches(@"^OutPackets *\t[0-9]+\t[0-9]+\.[0-9]/s$", line));
        Assert.DoesNotContain("InStateProtoError", watched, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_counted_is_said_in_one_sentence()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        CommandResult stranger = await StatAsync(pair.First, "--peer", pair.First.Keys.Public);
        Assert.NotEqual(0, stranger.ExitCode);
        Assert.Single(stranger.Error.TrimEnd().Split('\n'));
        CommandResult nobody = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "stat", "no-such-if"]);
        Assert.Equal(3, nobody.ExitCode);
        Assert.Single(nobody.Error.TrimEnd().Split('\n'));
        CommandResult usage = await StatAsync(pair.First, "--explain", "--watch");
        Assert.Equal(2, usage.ExitCode);
    }

    private static Task<CommandResult> StatAsync(TunnelEnd end, params string[] arguments) =>
        end.Space.TryAsync([TunnelProgram.Tunnelctl, "stat", end.Interface, .. arguments]);

    private static Dictionary<string, long> Parse(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split('\t'))
        .ToDictionary(cells => cells[0].TrimEnd(), cells => long.Parse(cells[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);
}
