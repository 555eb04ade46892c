using System.Globalization;
using System.Text.RegularExpressions;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>A new daemon in the place of the old one while traffic passes: no packet lost, no handshake, no long silence; and the old one goes on where it cannot be.</summary>
public class TakeOverTests(ITestOutputHelper output) : EndToEndTest(output, 150)
{
    private const double Silence = 50;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task Traffic_passes_on_and_no_peer_notices(bool go) => PassAsync(go, new PairOptions(), rounds: 3, pings: 4000);

    [Theory]
    [Trait("Tier", "all")]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(1, true)]
    [InlineData(2, true)]
    public Task Ten_in_a_row_are_not_noticed_either(int workers, bool xdp) => PassAsync(
        go: false, new PairOptions { FirstXdp = xdp, Settings = new Dictionary<string, string?> { ["TUNNELBOX__WORKERS"] = workers.ToString(CultureInfo.InvariantCulture) } }, rounds: 10, pings: 12_000);

    private async Task PassAsync(bool go, PairOptions options, int rounds, int pings)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, options with { Second = go ? await TunnelProgram.WireGuardGo2023Async() : null });
        await pair.ExpectPingsAsync();
        TunnelEnd end = pair.First;
        WgPeer before = await end.PeerAsync(pair.Second);
        RunningProcess old = end.Daemon;
        Task<PingResult> there = Ping.RunAsync(end.Inner, TunnelPair.Second4, $"-i 0.002 -c {pings} -W 2");
        Task<PingResult> back = Ping.RunAsync(pair.Second.Inner, TunnelPair.First6, $"-i 0.002 -c {pings} -W 2");
        List<double> silences = [];
        for (int round = 0; round < rounds; round++)
        {
            RunningProcess next = await StartAsync(end, options.SettingsFor(options.FirstXdp, pair.FirstLink));
            await next.WaitForOutputAsync("is up.", Lab.Deadline);
            if (options.FirstXdp)
            {
                end.Daemon = next;
                await XdpSide.ExpectAsync(end, $"xdp:{pair.FirstLink}");
            }

            Assert.Equal(0, (await old.WaitAsync(Lab.Deadline)).ExitCode);
            Assert.Contains($"process {next.Id} has taken over", old.Error, StringComparison.Ordinal);
            silences.Add(double.Parse(Regex.Match(next.Error, "nothing moved for (?<ms>[0-9.]+) ms", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5)).Groups["ms"].Value, CultureInfo.InvariantCulture));
            old = next;
        }

        PingResult[] results = [await there, await back];
        Assert.All(results, result => Assert.True(result.Received == result.Sent && result.Sent == pings, result.Output));
        WgPeer after = await end.PeerAsync(pair.Second);
        Assert.Equal(before.LatestHandshake, after.LatestHandshake);
        Assert.True(after.Sent > before.Sent && after.Received > before.Received, "what was counted goes on");
        Lab.Report(() => $"silences: {string.Join(", ", silences)} ms");
        // Anything else on the machine may come between in one of them.
        silences.Sort();
        Assert.True(silences[(rounds - 1) / 2] <= Silence, $"nothing moved for {string.Join(", ", silences)} ms");
        await pair.ExpectPingsAsync();
        await old.SignalAsync("TERM");
        Assert.Equal(0, (await old.WaitAsync(Lab.Deadline)).ExitCode);
        Assert.False(await end.Inner.HasLinkAsync(end.Interface));
    }

    [Fact]
    public async Task A_successor_that_dies_or_may_not_leaves_the_old_one_at_work()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        TunnelEnd end = pair.First;
        WgPeer before = await end.PeerAsync(pair.Second);
        string control = $"/run/tunnelbox/{end.Interface}.ctl";
        // One that goes away at each step: after its request, after it was given all, after it was sent the sessions.
        foreach (string words in new[] { string.Empty, "R" })
        {
            await end.Space.RunAsync("python3", "-c", $$"""
                import socket, array
                s = socket.socket(socket.AF_UNIX); s.connect("{{control}}")
                s.sendall(b'{"version":1,"verb":"take-over","form":1}\n')
                data, anc, flags, address = s.recvmsg(65536, socket.CMSG_SPACE(128 * 4))
                assert b'"queues":1' in data, data
                fds = array.array("i"); fds.frombytes(anc[0][2]); assert len(fds) == 3, fds
                s.sendall(b"{{words}}")
                if b"{{words}}": assert len(s.recv(4)) == 4
                """);
            await pair.ExpectPingsAsync();
        }

        CommandResult other = await end.Space.TryAsync(
            ["python3", "-c", $$"""
                import socket
                s = socket.socket(socket.AF_UNIX); s.connect("{{control}}")
                s.sendall(b'{"version":1,"verb":"take-over","form":99}\n'); print(s.recv(65536).decode())
                """], environment: null);
        Assert.Contains("hands sessions over in form 1, not 99", other.Expect().Output, StringComparison.Ordinal);
        await end.ExpectAliveAsync();
        Assert.Equal(before.LatestHandshake, (await end.PeerAsync(pair.Second)).LatestHandshake);
        Assert.Contains("did not take over", end.Daemon.Error, StringComparison.Ordinal);
        // And a proper one is taken all the same.
        RunningProcess next = await StartAsync(end);
        await next.WaitForOutputAsync("is up.", Lab.Deadline);
        await pair.ExpectPingsAsync();
        await next.SignalAsync("TERM");
        await next.WaitAsync(Lab.Deadline);
    }

    [Fact]
    public async Task Nobody_to_take_over_from_is_said()
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        CommandResult refused = await space.TryAsync(TunnelProgram.Default.Expect().Path, "-f", "--take-over", Names.Next());
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("Nothing was taken over: ", refused.Error, StringComparison.Ordinal);
    }

    private async Task<RunningProcess> StartAsync(TunnelEnd end, IReadOnlyDictionary<string, string?>? settings = null)
    {
        RunningProcess next = await end.Space.StartAsync(
            [end.Program.Path, "-f", "--take-over", end.Interface], new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>()) { ["LOG_LEVEL"] = "verbose" });
        Lab.Report(() => $"--- successor {next.Id}:\n{next.Error}");
        return next;
    }
}
