using System.Text.Json;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary><c>tunnelctl trace</c> on a running tunnel: packets with their stages, drops with their reasons, filters, and what cannot be traced.</summary>
[Trait("Load", "light")]
public class PacketTraceTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Fact]
    public async Task Packets_are_told_with_stages_times_and_verdict()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        RunningProcess trace = await StartAsync(pair.First);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        await Task.Delay(300, Lab.Deadline);
        string[] lines = await EndAsync(trace);
        string peer = System.Text.RegularExpressions.Regex.Escape(pair.Second.Keys.Public);
        string name = pair.First.Interface;
        const string Path = @"\| queue 0 worker [1-9] hints none \| 1[0-9][0-9] bytes";
        Assert.Contains(lines, line => Matches(line, $"^[0-9:.]+ {name} out peer {peer} handshake initiation \\| worker 0 hints none \\| 148 bytes to {TunnelPair.SecondOuter4}:{TunnelPair.SecondPort} \\| delivered$"));
        Assert.Contains(lines, line => Matches(line, $"^[0-9:.]+ {name} in peer {peer} handshake response .* delivered$"));
        Assert.Contains(lines, line => Matches(line, $"^[0-9:.]+ {name} out peer {peer} {TunnelPair.First4} > {TunnelPair.Second4} ICMP echo request 84 bytes \\| route [0-9.]+ µs \\| .* \\| queued$"));
        Assert.Contains(lines, line => Matches(line, $"ICMP echo request 84 bytes \\| route [0-9.]+ µs seal [0-9.]+ µs send [0-9.]+ µs {Path} to .* counter [0-9]+ \\| delivered$"));
        Assert.Contains(lines, line => Matches(line, $"^[0-9:.]+ {name} in peer {peer} {TunnelPair.Second4} > {TunnelPair.First4} ICMP echo reply 84 bytes \\| open [0-9.]+ µs deliver [0-9.]+ µs {Path} from .* \\| delivered$"));
        Assert.Matches("^[0-9]+ lines, 0 records lost\\.$", trace.Error.TrimEnd().Split('\n')[^1]);
    }

    [Fact]
    public async Task Drops_alone_by_reason_and_peer_and_as_json()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        await pair.First.Space.IpAsync($"route add 10.99.0.0/24 dev {pair.First.Interface}");
        await pair.First.Space.IpAsync($"address add 10.98.0.1/32 dev {pair.First.Interface}");
        RunningProcess drops = await StartAsync(pair.First, "--drops-only", "--json");
        RunningProcess ofReason = await StartAsync(pair.Second, "--reason", "InTmplMismatch", "--limit", "2");
        RunningProcess ofPeer = await StartAsync(pair.Second, "--peer", pair.First.Keys.Public[..8], "icmp and src host " + TunnelPair.First4, "--limit", "1");
        await pair.First.Space.TryAsync(["ping", "-c", "3", "-i", "0.2", "-W", "1", "10.99.0.1"]);
        await pair.First.Space.TryAsync(["ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", "10.98.0.1", TunnelPair.Second4]);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);

        string[] told = (await ofReason.WaitAsync(Lab.Deadline)).Expect().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, told.Length);
        Assert.All(told, line => Assert.Matches($"peer [^ ]+ 10.98.0.1 > {TunnelPair.Second4} ICMP echo request [0-9]+ bytes \\| open [0-9.]+ µs \\| .* \\| dropped InTmplMismatch$", line));
        told = (await ofPeer.WaitAsync(Lab.Deadline)).Expect().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Matches($"{TunnelPair.First4} > {TunnelPair.Second4} ICMP", Assert.Single(told));

        JsonElement[] lines = [.. (await EndAsync(drops)).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.InRange(lines.Length, 3, 60); // the kernel may look for routers, too
        Assert.All(lines, line => Assert.Equal(("dropped", "OutNoStates"), (line.GetProperty("verdict").GetString(), line.GetProperty("reason").GetString())));
        JsonElement ping = lines.First(line => line.GetProperty("packet").GetString()!.Contains("> 10.99.0.1 ICMP echo request", StringComparison.Ordinal));
        Assert.Equal("route", ping.GetProperty("stages")[0].GetProperty("name").GetString());
        Assert.Equal(1, ping.GetProperty("stages").GetArrayLength());
        Assert.Equal(84, ping.GetProperty("innerLength").GetInt32());
    }

    [Fact]
    public async Task A_rate_keeps_lines_back_and_counts_them()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        RunningProcess trace = await StartAsync(pair.First, "--rate", "5");
        await pair.First.Space.TryAsync(["ping", "-c", "20", "-i", "0.02", TunnelPair.Second4]);
        await Task.Delay(300, Lab.Deadline);
        string[] lines = await EndAsync(trace);
        Assert.InRange(lines.Length, 5, 15);
        Assert.Matches("[1-9][0-9]* beyond --rate not shown", trace.Error);
    }

    [Theory]
    [InlineData(2, "is no filter: .* Did you mean \"port\" where it says \"prot\"", "tcp prot 80")]
    [InlineData(2, "Did you mean InNoStates", "--reason", "InNoState")]
    [InlineData(2, "The nearest that there are: .*Replay", "--reason", "xxReplayxxxxxxxxxxxxxxx")]
    [InlineData(2, "no peer is called", "--peer", "nobody")]
    [InlineData(2, "\"--drop-only\" is no option of trace\\. Did you mean --drops-only", "--drop-only")]
    [InlineData(2, "Usage: tunnelctl trace", "--limit", "0")]
    public async Task What_cannot_be_traced_is_said_in_one_sentence(int code, string sentence, params string[] arguments)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        CommandResult refused = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "trace", pair.First.Interface, .. arguments]);
        Assert.Equal(code, refused.ExitCode);
        Assert.Matches(sentence, Assert.Single(refused.Error.TrimEnd().Split('\n')));
    }

    [Fact]
    public async Task Without_libpcap_only_filters_are_missing()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string nothing = Lab.WriteFile("libpcap", string.Empty);
        const string Hide = "for library in $(ldconfig -p | sed -n 's/.*libpcap.so.0.8 .*=> //p'); do mount --bind \"$0\" \"$library\"; done; exec \"$@\"";
        CommandResult refused = await pair.First.Space.TryAsync(
            ["unshare", "-m", "sh", "-c", Hide, nothing, TunnelProgram.Tunnelctl, "trace", pair.First.Interface, "tcp"]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Matches("Filters need libpcap: .* or trace without a filter", Assert.Single(refused.Error.TrimEnd().Split('\n')));
        RunningProcess trace = await pair.First.Space.StartAsync(
            ["unshare", "-m", "sh", "-c", Hide, nothing, TunnelProgram.Tunnelctl, "trace", pair.First.Interface, "--limit", "1"]);
        await trace.WaitForOutputAsync("tracing", Lab.Deadline);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        (await trace.WaitAsync(Lab.Deadline)).Expect();
    }

    [Fact]
    public async Task The_fifth_reader_is_told_and_a_daemon_that_ends_ends_the_trace()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        RunningProcess[] traces = [await StartAsync(pair.First), await StartAsync(pair.First), await StartAsync(pair.First), await StartAsync(pair.First)];
        CommandResult fifth = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "trace", pair.First.Interface]);
        Assert.Equal(1, fifth.ExitCode);
        Assert.Contains("4 traces and captures run already", fifth.Error, StringComparison.Ordinal);
        await EndAsync(traces[0]);
        await pair.First.Daemon.SignalAsync("TERM");
        foreach (RunningProcess trace in traces[1..])
        {
            CommandResult ended = await trace.WaitAsync(Lab.Deadline);
            Assert.Equal(3, ended.ExitCode);
            Assert.Contains("the daemon ended", ended.Error, StringComparison.Ordinal);
        }
    }

    private static bool Matches(string line, string pattern) => System.Text.RegularExpressions.Regex.IsMatch(line, pattern, System.Text.RegularExpressions.RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1));

    private async Task<RunningProcess> StartAsync(TunnelEnd end, params string[] arguments)
    {
        RunningProcess trace = await end.Space.StartAsync([TunnelProgram.Tunnelctl, "trace", end.Interface, .. arguments]);
        await trace.WaitForOutputAsync("tracing", Lab.Deadline);
        return trace;
    }

    private async Task<string[]> EndAsync(RunningProcess trace)
    {
        await trace.SignalAsync("INT");
        CommandResult ended = await trace.WaitAsync(Lab.Deadline);
        return ended.Expect().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
