using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>
/// Secrets are where they are used, and nowhere else: the daemon's memory is read from outside, while a peer that this process plays knows every secret of its
/// handshakes. What was retired is gone; what is in use is found, or the search would prove nothing.
/// </summary>
public class SecretsTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const int Port = 51871;
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Retired_keys_and_removed_secrets_are_nowhere_in_the_daemons_memory()
    {
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, await Lab.NamespaceAsync(), settings: new Dictionary<string, string?> { ["TUNNELBOX__METRICS"] = "socket" });
        await end.UpAsync(Port, 1420, "10.31.0.1/24");
        using var peer = new PlayedPeer(end.Space, end.Keys.Public, Port);
        using var other = new PlayedPeer(end.Space, end.Keys.Public, Port);
        await AddAsync(end, peer, "10.31.0.2/32");
        await AddAsync(end, other, "10.31.0.3/32");
        PlayedSession foreign = other.Shake();
        PlayedSession first = peer.Shake();
        await WakeAsync(end);
        Dictionary<string, byte[]> inUse = new()
        {
            ["the peer's sending key"] = first.PeerSends,
            ["the daemon's sending key"] = first.DaemonSends,
            ["the preshared key"] = peer.Preshared,
            ["the other's preshared key"] = other.Preshared,
            ["the private key"] = Convert.FromBase64String(end.Keys.Private),
        };
        List<string> found = ProcessMemory.Find(end.Daemon.Id, inUse);
        Assert.All(inUse.Keys, name => Assert.Contains(found, one => one.StartsWith(name + " as bytes", StringComparison.Ordinal)));

        // In use a secret is bytes in one place, never a text.
        Assert.DoesNotContain(found, one => one.Contains("base64", StringComparison.Ordinal) || one.Contains("hexadecimal", StringComparison.Ordinal));
        Assert.All(inUse.Keys, name => Assert.Single(found, one => one.StartsWith(name + " as bytes, first half", StringComparison.Ordinal)));
        await GoneAsync(end, Named("first handshake", first.Passing));
        await ToldNobodyAsync(end, [.. inUse.Values, .. first.Passing.Values]);

        // The session before the last is kept for what is still under way; two handshakes later the first one is retired.
        peer.Shake();
        await Task.Delay(100, Lab.Deadline);
        PlayedSession third = peer.Shake();
        await GoneAsync(end, Named("first session", new Dictionary<string, byte[]> { ["peer sends"] = first.PeerSends, ["daemon sends"] = first.DaemonSends }));
        await GoneAsync(end, Named("third handshake", third.Passing));
        Assert.NotEmpty(ProcessMemory.Find(end.Daemon.Id, new Dictionary<string, byte[]> { ["the new key"] = third.PeerSends }));

        await end.SetAsync($"peer {other.Public} remove");
        await GoneAsync(end, new Dictionary<string, byte[]> { ["preshared"] = other.Preshared, ["peer sends"] = foreign.PeerSends, ["daemon sends"] = foreign.DaemonSends });
        Assert.NotEmpty(ProcessMemory.Find(end.Daemon.Id, new Dictionary<string, byte[]> { ["the preshared key of the peer that stays"] = peer.Preshared }));

        // Without a private key there is none, and no session that came of it.
        await end.SetAsync("private-key /dev/null");
        await GoneAsync(end, new Dictionary<string, byte[]> { ["private"] = Convert.FromBase64String(end.Keys.Private), ["peer sends"] = third.PeerSends, ["daemon sends"] = third.DaemonSends });
    }

    [Theory]
    [Trait("Tier", "all")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_file_gave_is_gone_once_it_gives_it_no_more(bool variables)
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        TunnelKeys keys = await TunnelKeys.MakeAsync(Lab.Deadline);
        TunnelKeys stays = await TunnelKeys.MakeAsync(Lab.Deadline);
        TunnelKeys leaves = await TunnelKeys.MakeAsync(Lab.Deadline);
        string secret = await TunnelKeys.PresharedAsync(Lab.Deadline);
        string kept = await TunnelKeys.PresharedAsync(Lab.Deadline);
        string name = Names.Next();
        Lab.OwnInterface(name);
        string both = Peer(stays.Public, kept, 2) + Peer(leaves.Public, secret, 3);
        string start = $"[Interface]\n{(variables ? string.Empty : $"PrivateKey = {keys.Private}\n")}Address = 10.32.0.1/24\n";
        string file = Lab.WriteFile(name + ".conf", start + both);
        Dictionary<string, string?> environment = new() { ["LOG_LEVEL"] = "verbose" };
        if (variables)
        {
            environment["TUNNELBOX__INTERFACE__PRIVATEKEY_FILE"] = Lab.WriteFile("private", keys.Private + "\n");
        }

        RunningProcess daemon = await space.StartAsync([TunnelProgram.Default.Expect().Path, "-f", "--config", file, name], environment);
        await daemon.WaitForOutputAsync($"The tunnel {name} is up", Lab.Deadline);
        Dictionary<string, byte[]> all = new()
        {
            ["private"] = Convert.FromBase64String(keys.Private),
            ["kept"] = Convert.FromBase64String(kept),
            ["removed"] = Convert.FromBase64String(secret),
        };
        List<string> found = ProcessMemory.Find(daemon.Id, all);
        Assert.All(all.Keys, one => Assert.Contains(found, place => place.StartsWith(one + " as bytes", StringComparison.Ordinal)));
        Assert.DoesNotContain(found, place => place.Contains("base64", StringComparison.Ordinal) || place.Contains("hexadecimal", StringComparison.Ordinal));

        await File.WriteAllTextAsync(file, start + Peer(stays.Public, kept, 2), Lab.Deadline);
        await daemon.SignalAsync("HUP");
        await daemon.WaitForOutputAsync("1 peers", Lab.Deadline);
        await GoneAsync(daemon.Id, new Dictionary<string, byte[]> { ["removed"] = all["removed"] });
        Assert.NotEmpty(ProcessMemory.Find(daemon.Id, new Dictionary<string, byte[]> { ["kept"] = all["kept"] }));
        NotIn(daemon.Error + daemon.Output, [.. all.Values], "the log");
        NotIn(File.ReadAllText($"/proc/{daemon.Id}/cmdline") + File.ReadAllText($"/proc/{daemon.Id}/environ"), [.. all.Values], "command line and environment");
    }

    [Fact]
    public async Task A_crash_leaves_no_dump_and_nobody_else_reads_the_memory()
    {
        DateTime started = DateTime.UtcNow;
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, await Lab.NamespaceAsync());
        await end.UpAsync(Port, 1420, "10.33.0.1/24");
        string limit = File.ReadAllLines($"/proc/{end.Daemon.Id}/limits").Single(line => line.StartsWith("Max core file size", StringComparison.Ordinal));
        // 0, or the 1 that a core_pattern which is a pipe heeds, too.
        Assert.All(limit.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4..6], bytes => Assert.Contains(bytes, (string[])["0", "1"]));

        // Of a process that may not be dumped all of /proc is root's, and memory is for CAP_SYS_PTRACE alone: not for a user without it, even its own.
        CommandResult reading = await end.Space.TryAsync("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", "--", "head", "-c", "1", $"/proc/{end.Daemon.Id}/mem");
        Assert.NotEqual(0, reading.ExitCode);
        Assert.Contains("ermission denied", reading.Error, StringComparison.Ordinal);

        // A signal whose default is a dump, and which the runtime does not take for itself.
        await end.Daemon.SignalAsync("SYS");
        CommandResult ended = await end.Daemon.WaitAsync(Lab.Deadline);
        Assert.NotEqual(0, ended.ExitCode);
        Assert.DoesNotContain(Directory.GetFiles("/", "core*"), file => File.GetLastWriteTimeUtc(file) >= started);
        NotIn(ended.Error + ended.Output, [Convert.FromBase64String(end.Keys.Private)], "the log");
    }

    [Fact]
    public async Task A_crash_of_tunnelctl_leaves_no_dump_either()
    {
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, await Lab.NamespaceAsync());
        await end.UpAsync(Port, 1420, "10.34.0.1/24");
        string folder = Directory.CreateDirectory(Lab.WriteFile("dumps", string.Empty) + ".d").FullName;
        // Root without CAP_SYS_PTRACE, all of them: who may read whom is then a matter of what may be dumped alone.
        string[] lesser = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", "--", "sh", "-c"];
        RunningProcess waiting = await end.Space.StartAsync([.. lesser, $"cd {folder}; ulimit -c unlimited; exec {TunnelProgram.Tunnelctl} monitor {end.Interface}"]);
        await waiting.WaitForOutputAsync("watching", Lab.Deadline);
        RunningProcess other = await end.Space.StartAsync([.. lesser, $"cd {folder}; ulimit -c unlimited; exec sleep 60"]);
        await Eventually.TrueAsync(
            () => Task.FromResult(File.ReadAllText($"/proc/{other.Id}/comm") == "sleep\n"), () => "the other program did not start", Lab.Deadline);
        CommandResult reading = await end.Space.TryAsync([.. lesser, $"head -c 1 /proc/{waiting.Id}/mem"]);
        Assert.Contains("ermission denied", reading.Error, StringComparison.Ordinal);

        // Another program's memory may be read, and only its first page is nobody's.
        reading = await end.Space.TryAsync([.. lesser, $"head -c 1 /proc/{other.Id}/mem"]);
        Assert.DoesNotContain("ermission denied", reading.Error, StringComparison.Ordinal);

        // A signal whose default is a dump, and which the runtime does not take for itself; the other program leaves one where dumps are files.
        await waiting.SignalAsync("SYS");
        Assert.NotEqual(0, (await waiting.WaitAsync(Lab.Deadline)).ExitCode);
        Assert.Empty(Directory.GetFiles(folder));
        await other.SignalAsync("SYS");
        await other.WaitAsync(Lab.Deadline);
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/core_pattern")[0] is not ('|' or '/'), Directory.GetFiles(folder).Length == 1);
    }

    [Fact]
    public async Task Nobody_who_watches_a_handshake_is_told_a_secret()
    {
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, await Lab.NamespaceAsync());
        await end.UpAsync(Port, 1420, "10.35.0.1/24");
        using var peer = new PlayedPeer(end.Space, end.Keys.Public, Port);
        await AddAsync(end, peer, "10.35.0.2/32");
        string captured = Lab.WriteFile("captured", string.Empty) + ".pcapng";
        RunningProcess[] watchers =
        [
            await end.Space.StartAsync([TunnelProgram.Tunnelctl, "trace", end.Interface]),
            await end.Space.StartAsync([TunnelProgram.Tunnelctl, "trace", end.Interface, "--json"]),
            await end.Space.StartAsync([TunnelProgram.Tunnelctl, "capture", end.Interface, captured, "--both"]),
            await end.Space.StartAsync([TunnelProgram.Tunnelctl, "monitor", end.Interface]),
            await RunningProcess.StartAsync(["bpftrace", "-p", $"{end.Daemon.Id}", "-e", ProbesInFull], null),
        ];
        foreach ((RunningProcess watcher, string sign) in watchers.Zip((string[])["tracing", "tracing", "capturing", "watching", "Attaching"]))
        {
            await watcher.WaitForOutputAsync(sign, Lab.Deadline);
        }

        // bpftrace says so before it has done it.
        await Task.Delay(TimeSpan.FromSeconds(3), Lab.Deadline);
        PlayedSession one = peer.Shake();
        await Task.Delay(100, Lab.Deadline);
        PlayedSession two = peer.Shake();
        await end.Space.TryAsync(["ping", "-c", "2", "-i", "0.2", "-W", "1", "10.35.0.2"]);
        await Task.Delay(TimeSpan.FromSeconds(1.5), Lab.Deadline);
        byte[][] secrets =
        [
            Convert.FromBase64String(end.Keys.Private), peer.Preshared, one.PeerSends, one.DaemonSends, two.PeerSends, two.DaemonSends, .. one.Passing.Values, .. two.Passing.Values,
        ];
        List<string> told = [];
        foreach (RunningProcess watcher in watchers)
        {
            await watcher.SignalAsync("INT");
            CommandResult ended = await watcher.WaitAsync(Lab.Deadline);
            told.Add(ended.Output + ended.Error);
        }

        // A watcher that saw no handshake has shown nothing.
        Assert.Contains("handshake initiation", told[0], StringComparison.Ordinal);
        Assert.Contains(peer.Public, told[1], StringComparison.Ordinal);
        told[2] += Encoding.Latin1.GetString(await File.ReadAllBytesAsync(captured));
        byte[] initiation = [1, 0, 0, 0, 1, 0, 0, 0];
        Assert.Contains(Encoding.Latin1.GetString(initiation), told[2], StringComparison.Ordinal);
        Assert.Contains(peer.Public, told[3], StringComparison.Ordinal);
        Assert.All(["handshake_receive ", "handshake_send ", "session_new ", "packet_out "], probe => Assert.Contains(probe + end.Interface, told[4], StringComparison.Ordinal));

        // What the probes' pointers lead to is printed as \x00 and letters; a peer is told by the first eight bytes of its public key.
        told[4] = Regex.Replace(
            told[4], @"\\x(?<byte>[0-9a-f]{2})", found => $"{(char)Convert.ToByte(found.Groups["byte"].Value, 16)}", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5));
        Assert.Contains(EightBytes(Convert.FromBase64String(peer.Public)[..8]), eight => told[4].Contains(eight, StringComparison.Ordinal));
        foreach ((string text, string where) in told.Zip((string[])["trace", "trace --json", "capture", "monitor", "the probes"]))
        {
            NotIn(text, secrets, where);
        }

        // A probe's number may be eight bytes of a secret, either way round.
        Assert.All(secrets.SelectMany(EightBytes), eight => Assert.DoesNotContain(eight, told[4], StringComparison.Ordinal));
    }

    // Every argument of the probes that handshakes and packets pass, and what those that point somewhere point to.
    private static string ProbesInFull
    {
        get
        {
            var script = new StringBuilder();
            foreach ((string probe, string format, string arguments) in ((string, string, string)[])
            [
                ("handshake_send", "%lx %lx %lx %lx", "arg1, arg2, arg3, arg4"),
                ("handshake_receive", "%lx %lx %r %lx", "arg1, arg2, buf(arg3, 32), arg4"),
                ("handshake_complete", "%lx %lx %lx", "arg1, arg2, arg3"),
                ("session_new", "%lx %lx %lx %lx", "arg1, arg2, arg3, arg4"),
                ("session_expire", "%lx %lx %lx %lx", "arg1, arg2, arg3, arg4"),
                ("endpoint_change", "%lx %r", "arg1, buf(arg2, 32)"),
                ("rekey", "%lx %lx %lx", "arg1, arg2, arg3"),
                ("packet_in", "%lx %lx %lx %lx %r", "arg1, arg2, arg3, arg4, buf(arg5, 40)"),
                ("packet_out", "%lx %lx %lx %lx %r", "arg1, arg2, arg3, arg4, buf(arg5, 40)"),
                ("packet_drop", "%lx %r %lx %lx %lx", "arg1, buf(arg2, 32), arg3, arg4, arg5"),
            ])
            {
                script.Append(CultureInfo.InvariantCulture, $"usdt:*:tunnelbox:{probe} {{ printf(\"{probe} %s {format}\\n\", str(arg0), {arguments}); }}\n");
            }

            return script.ToString();
        }
    }

    private static IEnumerable<string> EightBytes(byte[] secret) => Enumerable.Range(0, secret.Length - 7).SelectMany(at => new[]
    {
        BinaryPrimitives.ReadUInt64LittleEndian(secret.AsSpan(at)).ToString("x", CultureInfo.InvariantCulture),
        BinaryPrimitives.ReadUInt64BigEndian(secret.AsSpan(at)).ToString("x", CultureInfo.InvariantCulture),
    });

    private static string Peer(string key, string preshared, int host) => $"[Peer]\nPublicKey = {key}\nPresharedKey = {preshared}\nAllowedIPs = 10.32.0.{host}/32\n";

    private static Dictionary<string, byte[]> Named(string of, IReadOnlyDictionary<string, byte[]> secrets) => secrets.ToDictionary(one => $"{of}: {one.Key}", one => one.Value);

    private async Task AddAsync(TunnelEnd end, PlayedPeer peer, string allowed) => await end.SetAsync(
        $"peer {peer.Public} preshared-key {Lab.WriteFile("psk", Convert.ToBase64String(peer.Preshared))} allowed-ips {allowed}");

    // The daemon's threads may hold what they were last busy with: a question makes them go on.
    private static async Task WakeAsync(TunnelEnd end) => await end.DumpAsync();

    private static async Task GoneAsync(TunnelEnd end, Dictionary<string, byte[]> secrets)
    {
        await WakeAsync(end);
        await GoneAsync(end.Daemon.Id, secrets);
    }

    private static async Task GoneAsync(int process, Dictionary<string, byte[]> secrets)
    {
        // A worker lets go at the end of its pass; what is found five seconds later stays.
        var watch = Stopwatch.StartNew();
        List<string> found = ProcessMemory.Find(process, secrets);
        while (found.Count > 0 && watch.Elapsed < s_soon)
        {
            await Task.Delay(200);
            found = ProcessMemory.Find(process, secrets);
        }

        Assert.True(found.Count == 0, string.Join('\n', found));
    }

    private static void NotIn(string text, IEnumerable<byte[]> secrets, string where)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        foreach ((string form, byte[] pattern) in secrets.SelectMany(ProcessMemory.Forms))
        {
            Assert.True(bytes.AsSpan().IndexOf(pattern) < 0, $"a secret stands in {where} as {form}");
        }
    }

    private async Task ToldNobodyAsync(TunnelEnd end, byte[][] secrets)
    {
        NotIn(end.Daemon.Error + end.Daemon.Output, secrets, "the log at its most talkative");
        NotIn(File.ReadAllText($"/proc/{end.Daemon.Id}/cmdline") + File.ReadAllText($"/proc/{end.Daemon.Id}/environ"), secrets, "command line and environment");
        foreach (string words in (string[])["status NAME --json", "stat NAME --json", "show NAME --json", "show NAME", "steer NAME --json", "explain 10.31.0.2 NAME --json", "doctor NAME --json"])
        {
            CommandResult said = await end.Space.TryAsync([TunnelProgram.Tunnelctl, .. words.Replace("NAME", end.Interface, StringComparison.Ordinal).Split(' ')]);
            Assert.NotEmpty(said.Output);
            NotIn(said.Output + said.Error, secrets, words);
        }

        NotIn(await ScrapeAsync($"/run/tunnelbox/{end.Interface}.metrics"), secrets, "metrics");

        // showconf is for setconf, and must have them.
        string conf = (await end.Space.RunAsync(TunnelProgram.Tunnelctl, "showconf", end.Interface)).Output;
        Assert.Contains(end.Keys.Private, conf, StringComparison.Ordinal);
    }

    private static async Task<string> ScrapeAsync(string path)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 5000 };
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        await socket.SendAsync("GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n"u8.ToArray());
        using var stream = new NetworkStream(socket);
        using var reader = new StreamReader(stream);
        string text = await reader.ReadToEndAsync();
        Assert.Contains("tunnelbox_", text, StringComparison.Ordinal);
        return text;
    }
}
