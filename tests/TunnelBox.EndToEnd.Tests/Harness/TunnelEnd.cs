using System.Net.Sockets;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>One running tunnel daemon with its interface, driven by the real wg(8).</summary>
internal sealed class TunnelEnd
{
    private readonly Lab _lab;

    private readonly IReadOnlyDictionary<string, string?>? _settings;
    private string[] _before = [];

    private TunnelEnd(Lab lab, NetworkNamespace space, TunnelProgram program, string name, TunnelKeys keys, IReadOnlyDictionary<string, string?>? settings)
    {
        _settings = settings;
        _lab = lab;
        Space = space;
        Program = program;
        Interface = name;
        Keys = keys;
    }

    /// <summary>Where it was started, and where its UDP socket stays.</summary>
    public NetworkNamespace Space { get; private set; }

    /// <summary>Where its interface is.</summary>
    public NetworkNamespace Inner { get; private set; } = null!;

    /// <summary>The program it runs.</summary>
    public TunnelProgram Program { get; }

    /// <summary>The name of its interface.</summary>
    public string Interface { get; }

    /// <summary>Its present key pair.</summary>
    public TunnelKeys Keys { get; private set; }

    /// <summary>The daemon.</summary>
    public RunningProcess Daemon { get; set; } = null!;

    /// <summary>The path of its UAPI socket.</summary>
    public string Socket => $"/var/run/wireguard/{Interface}.sock";

    /// <summary>Starts a daemon in the foreground and waits until it serves its socket.</summary>
    /// <param name="lab">The lab.</param>
    /// <param name="space">Where.</param>
    /// <param name="program">The program; the default one when null.</param>
    /// <param name="settings">Settings, as environment variables.</param>
    /// <param name="before">A command that runs the program, such as setpriv.</param>
    public static async Task<TunnelEnd> StartAsync(
        Lab lab, NetworkNamespace space, TunnelProgram? program = null, IReadOnlyDictionary<string, string?>? settings = null, params string[] before)
    {
        var end = new TunnelEnd(
            lab, space, (program ?? TunnelProgram.Default).Expect(), Names.Next(), await TunnelKeys.MakeAsync(lab.Deadline), settings)
        {
            _before = before,
        };
        lab.OwnInterface(end.Interface);
        await end.RestartAsync();
        return end;
    }

    /// <summary>Starts one daemon in the foreground that runs several tunnels, and waits until it serves all their sockets.</summary>
    public static async Task<TunnelEnd[]> StartSeveralAsync(Lab lab, NetworkNamespace space, int count, IReadOnlyDictionary<string, string?> settings)
    {
        var ends = new TunnelEnd[count];
        for (int i = 0; i < count; i++)
        {
            ends[i] = new TunnelEnd(lab, space, TunnelProgram.Default.Expect(), Names.Next(), await TunnelKeys.MakeAsync(lab.Deadline), settings) { Inner = space };
            lab.OwnInterface(ends[i].Interface);
        }

        await ends[0].RestartAsync(settings, [.. ends[1..].Select(static end => end.Interface)]);
        foreach (TunnelEnd end in ends)
        {
            end.Daemon = ends[0].Daemon;
            await Eventually.TrueAsync(() => Task.FromResult(Answers(end.Socket)), () => $"nobody serves {end.Socket}:\n{end.Daemon.Error}", lab.Deadline);
        }

        return ends;
    }

    /// <summary>Starts the daemon (again) under the same interface name.</summary>
    public Task RestartAsync() => RestartAsync(_settings ?? new Dictionary<string, string?>());

    /// <summary>Starts the daemon (again) with an environment of its own.</summary>
    /// <param name="environment">Settings, as environment variables.</param>
    /// <param name="others">Further interfaces that the same process is to run.</param>
    public async Task RestartAsync(IReadOnlyDictionary<string, string?> environment, params string[] others)
    {
        RunningProcess daemon = await Space.StartAsync(
            [.. _before, Program.Path, "-f", Interface, .. others],
            new Dictionary<string, string?>(environment) { ["LOG_LEVEL"] = "verbose" });
        Daemon = daemon;
        Inner = Space;
        _lab.Report(() => $"--- {Program.Name} {Interface} in {Space.Name}{(daemon.HasExited ? " (ended)" : "")}:\n{Tail(daemon.Error + daemon.Output)}");
        await Eventually.TrueAsync(
            () => daemon.HasExited
                ? throw new InvalidOperationException($"`{daemon.CommandLine}` ended at start:\n{daemon.Error}{daemon.Output}")
                : Task.FromResult(Answers(Socket)),
            () => $"`{daemon.CommandLine}` never served {Socket}:\n{daemon.Error}{daemon.Output}",
            _lab.Deadline);
    }

    /// <summary>True when something accepts connections at the path.</summary>
    public static bool Answers(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Gives the interface its private key, port and addresses, and brings it up.</summary>
    public async Task UpAsync(int port, int mtu, params string[] addresses)
    {
        await SetKeysAsync(Keys);
        await SetAsync($"listen-port {port}");
        foreach (string address in addresses)
        {
            await Inner.IpAsync($"address add {address} dev {Interface}{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}");
        }

        await Inner.IpAsync($"link set {Interface} mtu {mtu} up");
    }

    /// <summary>Changes the private key.</summary>
    public async Task SetKeysAsync(TunnelKeys keys)
    {
        Keys = keys;
        await SetAsync($"private-key {_lab.WriteFile(Interface + ".key", keys.Private)}");
    }

    /// <summary><c>wg set IFACE …</c>; the words are split at spaces.</summary>
    public async Task SetAsync(string words)
    {
        (await TrySetAsync(words)).Expect();
    }

    /// <summary><c>wg set IFACE …</c>, whatever its exit code.</summary>
    public Task<CommandResult> TrySetAsync(string words)
    {
        return Space.TryAsync(["wg", "set", Interface, .. words.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
    }

    /// <summary><c>wg set IFACE peer KEY …</c> for the other end.</summary>
    public Task SetPeerAsync(TunnelEnd peer, string words)
    {
        return SetAsync($"peer {peer.Keys.Public} {words}");
    }

    /// <summary><c>wg show IFACE dump</c>.</summary>
    public async Task<WgDump> DumpAsync()
    {
        return WgDump.Parse((await Space.RunAsync("wg", "show", Interface, "dump")).Output);
    }

    /// <summary>The peer of that key, as wg shows it.</summary>
    public async Task<WgPeer> PeerAsync(TunnelEnd peer)
    {
        return (await DumpAsync()).Peers.Single(one => one.PublicKey == peer.Keys.Public);
    }

    /// <summary>Moves the interface into another namespace; addresses are lost on the way, as ip(8) has it.</summary>
    public async Task MoveAsync(NetworkNamespace target)
    {
        await Inner.IpAsync($"link set {Interface} netns {target.Name}");
        Inner = target;
    }

    /// <summary>Fails when the daemon has ended or no longer answers wg.</summary>
    public async Task ExpectAliveAsync()
    {
        if (Daemon.HasExited)
        {
            throw new InvalidOperationException($"{Program.Name} {Interface} has ended:\n{Tail(Daemon.Error + Daemon.Output)}");
        }

        await Space.RunAsync("wg", "show", Interface, "listen-port");
    }

    /// <summary>Ends the daemon, and waits until its interface is gone.</summary>
    public async Task StopAsync()
    {
        await Daemon.DisposeAsync();
        await Eventually.TrueAsync(async () => !await Space.HasLinkAsync(Interface), () => $"{Interface} is still there", _lab.Deadline);
    }

    /// <summary>Waits for the daemon's own end.</summary>
    public async Task<CommandResult> EndedAsync(TimeSpan within)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_lab.Deadline);
        limit.CancelAfter(within);
        return await Daemon.WaitAsync(limit.Token);
    }

    private static string Tail(string text)
    {
        string[] lines = text.Split('\n');
        return string.Join('\n', lines.TakeLast(60));
    }
}
