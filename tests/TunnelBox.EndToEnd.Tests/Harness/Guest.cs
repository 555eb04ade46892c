using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>
/// A virtual machine with a kernel of its own, started by <c>interop/vm/run</c>. Its network card <c>eth0</c> is joined to
/// <see cref="Link"/> in a namespace here; its tunnel is <see cref="Tunnel"/>, ours or the kernel's. It is the first end of a
/// <see cref="TunnelPair"/>'s addresses.
/// </summary>
internal sealed partial class Guest
{
    /// <summary>The device in the namespace that the guest's card is joined to.</summary>
    public const string Link = "vm0";

    /// <summary>The device there that its second card is joined to, where it has one.</summary>
    public const string SecondLink = "vm01";

    /// <summary>The guest's tunnel.</summary>
    public const string Tunnel = "wg0";

    private const string Libraries = "/usr/lib/x86_64-linux-gnu";

    private static readonly ConcurrentDictionary<string, Lazy<Task<string>>> s_kernels = new();
    private static int s_port = 30000;

    private readonly Lab _lab;
    private readonly RunningProcess _machine;
    private int _commands;

    private Guest(Lab lab, NetworkNamespace space, RunningProcess machine, TunnelKeys keys)
    {
        _lab = lab;
        Space = space;
        _machine = machine;
        Keys = keys;
    }

    /// <summary>The namespace at the other end of its wire.</summary>
    public NetworkNamespace Space { get; }

    /// <summary>The key pair of its tunnel.</summary>
    public TunnelKeys Keys { get; }

    /// <summary>Boots one and waits until its card has a carrier and both ends of the wire their outer addresses.</summary>
    /// <param name="lab">The lab, which ends it.</param>
    /// <param name="kernel">Which kernel: sid or backports.</param>
    /// <param name="card">The model of the card, as QEMU names it.</param>
    /// <param name="limitSeconds">When it is ended at the latest.</param>
    /// <param name="cpus">Its processors: a card has as many queues in use.</param>
    /// <param name="second">The model of a second card, <c>eth1</c>; empty for none.</param>
    /// <param name="modules">Modules of the kernel beside those that every guest has.</param>
    public static async Task<Guest> BootAsync(Lab lab, string kernel, string card, int limitSeconds = 120, int cpus = 2, string second = "", params string[] modules)
    {
        NetworkNamespace space = await lab.NamespaceAsync();
        RunningProcess machine = await StartAsync(lab, space, kernel, card, limitSeconds, cpus, second, modules);
        var guest = new Guest(lab, space, machine, await TunnelKeys.MakeAsync(lab.Deadline));
        await guest.RunAsync("true");
        await guest.AddressAsync();
        return guest;
    }

    /// <summary>Boots a whole Debian with systemd as its first process, without our programs, and waits until both ends of the wire have their outer addresses.</summary>
    /// <param name="lab">The lab, which ends it.</param>
    /// <param name="card">The model of the card, as QEMU names it.</param>
    /// <param name="limitSeconds">When it is ended at the latest.</param>
    /// <param name="files">Files for it, <c>FILE:PATH</c>.</param>
    public static async Task<Guest> BootDebianAsync(Lab lab, string card, int limitSeconds, params string[] files)
    {
        NetworkNamespace space = await lab.NamespaceAsync();
        string root = await OutputOfAsync("debian");
        RunningProcess machine = await StartAsync(
            lab, space, "backports", card, limitSeconds, ["--root", root, "--memory", "2048", .. files.SelectMany(static file => new[] { "--add", file })]);
        var guest = new Guest(lab, space, machine, await TunnelKeys.MakeAsync(lab.Deadline));
        await guest.RunAsync("true");
        await guest.AddressAsync();
        return guest;
    }

    /// <summary>Starts one and does not wait for it; its shell is the process's standard input.</summary>
    public static Task<RunningProcess> StartAsync(
        Lab lab, NetworkNamespace space, string kernel, string card, int limitSeconds = 120, int cpus = 2, string second = "", params string[] modules)
    {
        string program = TunnelProgram.Default.Expect().Path;
        return StartAsync(
            lab, space, kernel, card, limitSeconds,
            [
                "--cpus", cpus.ToString(), .. second.Length > 0 ? new[] { "--second", second } : [], "--add", $"{program}:/usr/bin/tunnelbox", "--add", $"{TunnelProgram.Tunnelctl}:/usr/bin/tunnelctl",
                .. modules.SelectMany(static module => new[] { "--module", module }),
                "--add", $"{Libraries}/libsodium.so.23", "--add", $"{Libraries}/libbpf.so.1", "--add", $"{Libraries}/libssl.so.3",
            ]);
    }

    private static async Task<RunningProcess> StartAsync(Lab lab, NetworkNamespace space, string kernel, string card, int limitSeconds, string[] more)
    {
        string folder = await s_kernels.GetOrAdd(kernel, static name => new Lazy<Task<string>>(() => OutputOfAsync("fetch", name))).Value;
        string console = Path.Combine(lab.Folder, "console");
        string[] words =
        [
            Script("run"), "--kernel", folder, "--nic", card, "--netns", space.Name, "--tap", Link, "--limit", limitSeconds.ToString(), "--console", console, .. more,
        ];
        RunningProcess machine = await lab.StartAsync(words, new Dictionary<string, string?> { ["TMPDIR"] = lab.Folder });
        lab.Report(() => $"--- guest in {space.Name}{(machine.HasExited ? " (ended)" : "")}:\n{Tail(machine.Output)}{Tail(machine.Error)}"
            + $"--- its console:\n{(File.Exists(console) ? Tail(File.ReadAllText(console)) : "")}");
        return machine;
    }

    /// <summary>Runs commands, one call after the other, in the guest's one shell, which keeps its variables and background jobs.</summary>
    /// <returns>Their exit code, and what they wrote to either stream.</returns>
    public async Task<CommandResult> TryAsync(string commands)
    {
        int from = _machine.Output.Length;
        string mark = $"\n#{++_commands} ";
        await _machine.WriteAsync($"{{ {commands}\n}} </dev/null 2>&1; echo; echo \"{mark.Trim()} $?\"\n");
        await Eventually.TrueAsync(
            () => Task.FromResult(
                (_machine.Output.IndexOf(mark, from, StringComparison.Ordinal) is > -1 and int at && _machine.Output.IndexOf('\n', at + 1) > -1)
                || (_machine.HasExited ? throw new InvalidOperationException(
                    $"The guest ended before it had run `{commands}`:\n{_machine.Error}{Tail(_machine.Output)}") : false)),
            () => $"The guest never ended `{commands}`:\n{_machine.Output[from..]}",
            _lab.Deadline);
        string output = _machine.Output;
        int end = output.IndexOf(mark, from, StringComparison.Ordinal);
        int code = int.Parse(output[(end + mark.Length)..output.IndexOf('\n', end + 1)], CultureInfo.InvariantCulture);
        return new CommandResult(commands, code, output[from..end].TrimEnd('\n') + "\n", "");
    }

    /// <summary>Runs commands in the guest and demands success of the last.</summary>
    public async Task<string> RunAsync(string commands) => (await TryAsync(commands)).Expect().Output;

    /// <summary>Asks in the guest, ten times a second, until a condition holds.</summary>
    public Task<string> UntilAsync(string condition, int seconds) => RunAsync(
        $"left={seconds * 10}; until {{ {condition}; }} >/dev/null 2>&1; do left=$((left - 1)); [ $left -gt 0 ] || {{ echo 'never: {condition.Replace("'", "", StringComparison.Ordinal)}'; false; break; }}; sleep 0.1; done");

    /// <summary>Starts our daemon as the guest's tunnel; its log goes to /tmp/log and to the console.</summary>
    /// <param name="settings">Settings as environment variables, for example <c>TUNNELBOX__WORKERS=2</c>.</param>
    public async Task StartDaemonAsync(params string[] settings)
    {
        await RunAsync(
            $"mkfifo -m 600 /tmp/said 2>/dev/null; tee -a /tmp/log </tmp/said >/dev/ttyS0 & env {string.Join(' ', settings)} tunnelbox -f {Tunnel} >/tmp/said 2>&1 & echo $! >/tmp/daemon");
        await UntilAsync($"[ -S /run/wireguard/{Tunnel}.sock ] && wg show {Tunnel}", 40);
    }

    /// <summary>Sends the daemon a signal and waits for its end.</summary>
    public Task<string> EndDaemonAsync(string signal) =>
        RunAsync($"kill -{signal} $(cat /tmp/daemon); wait $(cat /tmp/daemon); ! ip link show {Tunnel}");

    /// <summary>Gives the guest's tunnel its key, port, addresses and its one peer.</summary>
    /// <param name="peer">The other end.</param>
    /// <param name="outerIpv6">Whether the endpoint is an IPv6 address.</param>
    /// <param name="preshared">The preshared key, base64; none when null.</param>
    /// <param name="port">The port the other end listens on.</param>
    /// <param name="mtu">The tunnel's MTU.</param>
    public Task<string> JoinAsync(TunnelEnd peer, bool outerIpv6 = false, string? preshared = null, int port = TunnelPair.SecondPort, int mtu = 1420)
    {
        string endpoint = outerIpv6 ? $"[{TunnelPair.SecondOuter6}]:{port}" : $"{TunnelPair.SecondOuter4}:{port}";
        return RunAsync($"""
            umask 077; echo {Keys.Private} >/tmp/key; echo '{preshared}' >/tmp/psk
            wg set {Tunnel} listen-port {TunnelPair.FirstPort} private-key /tmp/key peer {peer.Keys.Public} {(preshared is null ? "" : "preshared-key /tmp/psk")} \
                allowed-ips {TunnelPair.Second4}/32,{TunnelPair.Second6}/128 endpoint {endpoint} &&
            ip address add {TunnelPair.First4}/24 dev {Tunnel} && ip address add {TunnelPair.First6}/64 dev {Tunnel} nodad &&
            ip link set {Tunnel} mtu {mtu} up
            """);
    }

    /// <summary>Starts the other end, which knows the guest as its peer.</summary>
    /// <param name="lab">The lab that ends it.</param>
    /// <param name="program">The program; the default one when null.</param>
    /// <param name="preshared">The preshared key, base64; none when null.</param>
    /// <param name="outerIpv6">Whether the endpoint is an IPv6 address.</param>
    /// <param name="mtu">The tunnel's MTU.</param>
    public async Task<TunnelEnd> PeerAsync(Lab lab, TunnelProgram? program = null, string? preshared = null, bool outerIpv6 = false, int mtu = 1420)
    {
        TunnelEnd host = await TunnelEnd.StartAsync(lab, Space, program);
        await host.UpAsync(TunnelPair.SecondPort, mtu, $"{TunnelPair.Second4}/24", $"{TunnelPair.Second6}/64");
        string secret = preshared is null ? "" : "preshared-key " + lab.WriteFile("guest.psk", preshared);
        string endpoint = outerIpv6 ? $"[{TunnelPair.FirstOuter6}]:{TunnelPair.FirstPort}" : $"{TunnelPair.FirstOuter4}:{TunnelPair.FirstPort}";
        await host.SetAsync($"peer {Keys.Public} {secret} allowed-ips {TunnelPair.First4}/32,{TunnelPair.First6}/128 endpoint {endpoint}");
        return host;
    }

    /// <summary>Sends random bytes over TCP out of the guest and compares the SHA-256 of both ends.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="inside">What runs the guest's end in a namespace of its own; empty for none.</param>
    public async Task ExpectSentAsync(string address, int bytes, string inside = "")
    {
        string port = Interlocked.Increment(ref s_port).ToString();
        await using RunningProcess receiver = await Space.StartAsync([.. Agent.Command, "tcp-receive", address, port]);
        await receiver.WaitForOutputAsync("ready", _lab.Deadline);
        string sent = await RunAsync($"head -c {bytes} /dev/urandom >/tmp/data; sha256sum </tmp/data; {inside} nc {address} {port} </tmp/data");
        CommandResult received = (await receiver.WaitAsync(_lab.Deadline)).Expect();
        Assert.Equal($"{bytes} {sent.Split(' ')[0]}", received.Output.Split('\n')[1], ignoreCase: true);
    }

    /// <summary>Sends random bytes over TCP into the guest and compares the SHA-256 of both ends.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="inside">What runs the guest's end in a namespace of its own; empty for none.</param>
    public async Task ExpectReceivedAsync(string address, int bytes, string inside = "")
    {
        string port = Interlocked.Increment(ref s_port).ToString();
        await RunAsync($"{inside} nc -l -p {port} >/tmp/data & receiver=$!");
        await UntilAsync($"{inside} netstat -ltn | grep -q :{port}", 5);
        CommandResult sent = await Space.RunAsync([.. Agent.Command, "tcp-send", address, port, bytes.ToString()]);
        string received = await RunAsync("wait $receiver; echo \"$(stat -c %s /tmp/data) $(sha256sum </tmp/data)\"");
        Assert.Equal(sent.Output.Trim(), received.Split("  ")[0], ignoreCase: true);
    }

    /// <summary>Frames that each queue of the card has received.</summary>
    public async Task<long[]> ReceivedByQueueAsync() =>
        [.. ReceivedPackets().Matches(await RunAsync("ethtool -S eth0")).Select(match => long.Parse(match.Groups["count"].ValueSpan, CultureInfo.InvariantCulture))];

    // Both ends of the wire.
    private async Task AddressAsync()
    {
        await Space.IpAsync($"address add {TunnelPair.SecondOuter4}/24 dev {Link}");
        await Space.IpAsync($"address add {TunnelPair.SecondOuter6}/64 dev {Link} nodad");
        await RunAsync($"ip link set eth0 up; ip address add {TunnelPair.FirstOuter4}/24 dev eth0; ip address add {TunnelPair.FirstOuter6}/64 dev eth0 nodad");
        await UntilAsync("[ \"$(cat /sys/class/net/eth0/carrier)\" = 1 ]", 20);
    }

    private static async Task<string> OutputOfAsync(params string[] script)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        return (await RunningProcess.RunAsync([Script(script[0]), .. script[1..]], limit.Token)).Expect().Output.Trim();
    }

    private static string Script(string name) => Path.Combine(TunnelProgram.Root, "interop", "vm", name);

    private static string Tail(string text) => string.Join('\n', text.Split('\n').TakeLast(40)) + "\n";

    [GeneratedRegex("rx_queue_[0-9]+_packets: (?<count>[0-9]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ReceivedPackets();
}
