using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The static probes as real tracing tools see them, and every script of interop/trace against live traffic.</summary>
public class TraceTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private static readonly string s_library = Path.Combine(TunnelProgram.Root, "out", "libtunnelbox-probes.so");

    private static readonly string[] s_probes =
    [
        "endpoint_change", "handshake_complete", "handshake_receive", "handshake_send", "packet_drop", "packet_in", "packet_out", "queue_full",
        "rekey", "session_expire", "session_new", "steer_rule",
    ];

    [Fact]
    public async Task Bpftrace_lists_all_twelve_probes()
    {
        CommandResult listed = (await RunningProcess.RunAsync(["bpftrace", "-l", $"usdt:{s_library}:*"], Lab.Deadline)).Expect();
        Assert.Equal(
            s_probes.Select(probe => $"usdt:{s_library}:tunnelbox:{probe}"),
            listed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Perf_and_ftrace_can_attach_to_them()
    {
        // A mount namespace and a folder of its own: the machine's tracefs and perf's memory stay as they are.
        string folder = Lab.WriteFile("perf.list", string.Empty) + ".d";
        string script = $"""
            set -e
            mount -t tracefs tracefs /sys/kernel/tracing
            perf --buildid-dir {folder} buildid-cache --add {s_library}
            perf --buildid-dir {folder} list sdt
            perf --buildid-dir {folder} probe sdt_tunnelbox:handshake_complete
            trap "perf --buildid-dir {folder} probe -d 'sdt_tunnelbox:handshake_complete'" EXIT
            cat /sys/kernel/tracing/uprobe_events
            """;
        CommandResult seen = (await RunningProcess.RunAsync(["unshare", "-m", "sh", "-c", script], Lab.Deadline)).Expect();
        Assert.All(s_probes, probe => Assert.Contains($"sdt_tunnelbox:{probe}", seen.Output, StringComparison.Ordinal));
        Assert.Contains($"p:sdt_tunnelbox/handshake_complete {s_library}:", seen.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Drops_are_told_by_reason_and_peer()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.First.Space.IpAsync($"route add 10.99.0.0/24 dev {pair.First.Interface}");
        string told = await TraceAsync(pair.First, "drops.bt", async () =>
            await pair.First.Space.TryAsync(["ping", "-c", "3", "-i", "0.2", "-W", "1", "10.99.0.1"]));
        Assert.Matches($@"@packets\[{pair.First.Interface}, OutNoStates, 0\]: [3-9]", told);
        Assert.Matches($@"@bytes\[{pair.First.Interface}, OutNoStates, 0\]: [0-9]+", told);
    }

    [Fact]
    public async Task Handshakes_are_told_with_their_latency()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string told = await TraceAsync(pair.First, "handshakes.bt", () => Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4));
        Assert.Contains($"@microseconds[{pair.First.Interface}, 1]:", told, StringComparison.Ordinal);
        Assert.Contains("|@", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stages_are_told_with_their_times()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string told = await TraceAsync(pair.First, "stages.bt", pair.ExpectPingsAsync);
        foreach (string stage in (string[])["out_route", "out_seal", "out_port", "in_open", "in_port"])
        {
            Assert.Contains($"@{stage}:", told, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Talkers_are_told_with_their_bytes()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string told = await TraceAsync(pair.First, "talkers.bt", async () =>
            await pair.First.Space.TryAsync(["ping", "-c", "15", "-i", "0.1", TunnelPair.Second4]));
        byte[] key = Convert.FromBase64String(pair.Second.Keys.Public);
        long peer = System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(key);
        Assert.Matches($@"@in\[{pair.First.Interface}, {peer}\]: [1-9][0-9]*", told);
        Assert.Matches($@"@out\[{pair.First.Interface}, {peer}\]: [1-9][0-9]*", told);
    }

    [Fact]
    public async Task Control_events_are_told_as_they_happen()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string told = await TraceAsync(pair.First, "control.bt", async () =>
        {
            await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
            (await pair.Second.Space.TryAsync(["wg", "set", pair.Second.Interface, "listen-port", "51899"])).Expect();
            await Ping.ExpectAsync(pair.Second.Inner, TunnelPair.First4);
            await Task.Delay(TimeSpan.FromSeconds(5.2), Lab.Deadline);
            (await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "ping", pair.First.Interface, pair.Second.Keys.Public, "--handshake", "--count", "1"])).Expect();

            // Nobody answers any more, and what waits for a session finds its queue full.
            await pair.Second.Space.IpAsync($"link set {pair.SecondLink} down");
            await pair.First.SetKeysAsync(await TunnelKeys.MakeAsync(Lab.Deadline));
            await pair.First.Space.TryAsync(["ping", "-c", "200", "-i", "0.002", "-W", "1", TunnelPair.Second4]);
        });
        byte[] key = Convert.FromBase64String(pair.Second.Keys.Public);
        string peer = Convert.ToHexStringLower(key.AsSpan(0, 8)).TrimStart('0');
        string[] lines =
        [
            "handshake_send type 1 index [0-9a-f]+ bytes 148",
            "handshake_receive type 2 reason None bytes 92",
            "session_new index [0-9a-f]+ theirs [0-9a-f]+ initiator 1",
            $"endpoint_change to {TunnelPair.SecondOuter4}:51899",
            "rekey index [0-9a-f]+ retry 0",
            "session_expire index [0-9a-f]+ packets [0-9]+ age [0-9]+ ms",
            "queue_full reason OutNoQueueSpace worker [1-9]",
        ];
        foreach (string line in lines)
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            Assert.Matches($"{pair.First.Interface} {line[..space]} peer {peer}{line[space..]}", told);
        }
    }

    [Fact]
    public async Task Steering_rules_are_told_as_sessions_come_and_go()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = true });
        RunningProcess monitor = await pair.First.Space.StartAsync([TunnelProgram.Tunnelctl, "monitor", pair.First.Interface]);
        await monitor.WaitForOutputAsync("watching", Lab.Deadline);
        string told = await TraceAsync(pair.First, "control.bt", async () =>
        {
            await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
            await Task.Delay(TimeSpan.FromSeconds(5), Lab.Deadline);
            await pair.First.SetKeysAsync(await TunnelKeys.MakeAsync(Lab.Deadline));
        });
        await monitor.SignalAsync("INT");
        string seen = (await monitor.WaitAsync(Lab.Deadline)).Output;
        string made = told.Split('\n').First(line => line.StartsWith($"{pair.First.Interface} session_new peer ", StringComparison.Ordinal));
        string index = made.Split(' ')[5];
        foreach (string state in (string[])["acknowledged", "verified", "removed"])
        {
            Assert.Contains($"{pair.First.Interface} steer_rule match {index} queue 65535 worker 65535 backend map {state}", told, StringComparison.Ordinal);
            Assert.Contains($"{pair.First.Interface} steer_rule {index.PadLeft(8, '0')} {state} by map", seen, StringComparison.Ordinal);
        }
    }

    private async Task<string> TraceAsync(TunnelEnd end, string script, Func<Task> traffic)
    {
        RunningProcess tracer = await RunningProcess.StartAsync(
            ["bpftrace", "-p", $"{end.Daemon.Id}", Path.Combine(TunnelProgram.Root, "interop", "trace", script)], null);
        await using (tracer)
        {
            await tracer.WaitForOutputAsync("Attaching", Lab.Deadline);

            // It says so before it does it; a semaphore that counts is what shows that it is done, and traffic is cheap to repeat.
            await Task.Delay(TimeSpan.FromSeconds(2), Lab.Deadline);
            await traffic();
            await Task.Delay(TimeSpan.FromSeconds(1.2), Lab.Deadline);
            await tracer.SignalAsync("INT");
            return (await tracer.WaitAsync(Lab.Deadline)).Output;
        }
    }
}
