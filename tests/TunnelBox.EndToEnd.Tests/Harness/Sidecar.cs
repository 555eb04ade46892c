namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>How a container is told its tunnel: each is a way that the manual shows.</summary>
internal enum SidecarStart
{
    /// <summary>By a wg file that is mounted, with <c>--config</c>.</summary>
    File,

    /// <summary>By variables alone, the private key from a file that is mounted.</summary>
    Variables,

    /// <summary>By <c>tunnelctl</c> within, and <c>ip</c> from outside, once it is up.</summary>
    Tool,
}

/// <summary>What a container is given. As it stands, it is what the manual says a sidecar needs.</summary>
internal sealed record SidecarOptions
{
    /// <summary>How it is told its tunnel.</summary>
    public SidecarStart Start { get; init; } = SidecarStart.File;

    /// <summary>Capabilities that are added to none.</summary>
    public string[] Capabilities { get; init; } = ["NET_ADMIN"];

    /// <summary>Whether it has /dev/net/tun.</summary>
    public bool Tun { get; init; } = true;

    /// <summary>Whether there are memory file systems on /run and /tmp, over a root file system that nobody can write to.</summary>
    public bool Writable { get; init; } = true;

    /// <summary>Words for podman, such as <c>--security-opt=no-new-privileges</c>, which Kubernetes calls allowPrivilegeEscalation: false.</summary>
    public string[] More { get; init; } = [];

    /// <summary>Variables, <c>NAME=VALUE</c>.</summary>
    public string[] Variables { get; init; } = [];

    /// <summary>The container runtime.</summary>
    public string Runtime { get; init; } = "runc";
}

/// <summary>The other end of a container's tunnel.</summary>
/// <param name="Key">Its public key.</param>
/// <param name="Allowed">Its allowed IPs.</param>
/// <param name="Endpoint">Its endpoint; none where it begins.</param>
internal sealed record SidecarPeer(string Key, string Allowed, string? Endpoint);

/// <summary>A container of the image in a network namespace.</summary>
internal sealed class Sidecar
{
    public const string Interface = "wg0";
    private const string File = "/etc/wireguard/wg0.conf";
    private const string Secret = "/run/secrets/private-key";

    private readonly Lab _lab;
    private readonly ImageStore _store;
    private readonly string _address;
    private SidecarOptions _options = new();

    private Sidecar(Lab lab, ImageStore store, NetworkNamespace space, TunnelKeys keys, string address)
    {
        _lab = lab;
        _store = store;
        Space = space;
        Keys = keys;
        _address = address;
    }

    public string Name { get; } = Names.Next();

    public NetworkNamespace Space { get; }

    public TunnelKeys Keys { get; }

    /// <summary>The attached <c>podman run</c>; its exit code is the container's.</summary>
    public RunningProcess Run { get; private set; } = null!;

    /// <summary>Makes keys; nothing runs yet.</summary>
    public static async Task<Sidecar> PrepareAsync(Lab lab, ImageStore store, NetworkNamespace space, string address)
    {
        return new Sidecar(lab, store, space, await TunnelKeys.MakeAsync(lab.Deadline), address);
    }

    /// <summary>The words that run the container.</summary>
    /// <param name="port">Its port.</param>
    /// <param name="peer">Its peer.</param>
    /// <param name="options">What it is given.</param>
    /// <param name="more">More lines of its file.</param>
    public async Task<string[]> WordsAsync(int port, SidecarPeer peer, SidecarOptions options, string more = "")
    {
        string[] variables = options.Variables, mounts, command;
        if (options.Start == SidecarStart.Variables)
        {
            mounts = ["--volume", $"{await MountedAsync("key", Keys.Private + "\n")}:{Secret}:ro"];
            command = [Interface];
            variables =
            [
                .. variables, $"TUNNELBOX__INTERFACE__PRIVATEKEY_FILE={Secret}", $"TUNNELBOX__INTERFACE__LISTENPORT={port}",
                $"TUNNELBOX__INTERFACE__ADDRESS={_address}", $"TUNNELBOX__PEERS__0__PUBLICKEY={peer.Key}", $"TUNNELBOX__PEERS__0__ALLOWEDIPS={peer.Allowed}",
                .. peer.Endpoint is null ? Array.Empty<string>() : [$"TUNNELBOX__PEERS__0__ENDPOINT={peer.Endpoint}"],
            ];
        }
        else
        {
            mounts = ["--volume", $"{await MountedAsync("conf", WgFile(port, peer, options.Start) + more)}:{File}:ro"];
            command = options.Start == SidecarStart.File ? ["--config", File, Interface] : [Interface];
        }

        return
        [
            .. _store.PodmanBy(
                options.Runtime, "run", "--name", Name, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", $"ns:/run/netns/{Space.Name}",
                "--read-only", $"--read-only-tmpfs={(options.Writable ? "true" : "false")}", "--cap-drop", "all"),
            .. options.Capabilities.SelectMany(name => new[] { "--cap-add", name }),
            .. options.Tun ? new[] { "--device", _store.TunDevice + ":/dev/net/tun" } : [],
            .. options.More,
            .. variables.SelectMany(variable => new[] { "--env", variable }),
            .. mounts,
            _store.Image,
            .. command,
        ];
    }

    /// <summary>Starts it and waits until its tunnel is up.</summary>
    public async Task StartAsync(int port, SidecarPeer peer, SidecarOptions options)
    {
        _options = options;
        Run = await _lab.StartAsync(await WordsAsync(port, peer, options));
        _lab.Report(() => $"--- container {Name} in {Space.Name}:\n{Run.Error}{Run.Output}");
        await SetUpAsync();
    }

    /// <summary>Starts it and waits for its end.</summary>
    public async Task<CommandResult> TryAsync(int port, SidecarPeer peer, SidecarOptions options, string more = "") =>
        await RunningProcess.RunAsync(await WordsAsync(port, peer, options, more), _lab.Deadline);

    /// <summary>Starts it again after an end.</summary>
    public async Task RestartAsync()
    {
        Run = await _lab.StartAsync(_store.PodmanBy(_options.Runtime, "start", "--attach", Name));
        await SetUpAsync();
    }

    /// <summary>Runs tunnelctl in it.</summary>
    public async Task<CommandResult> TunnelctlAsync(params string[] words)
    {
        return (await RunningProcess.RunAsync(_store.PodmanBy(_options.Runtime, ["exec", Name, "/usr/bin/tunnelctl", .. words]), _lab.Deadline)).Expect();
    }

    /// <summary>A podman command on this container.</summary>
    public Task<CommandResult> PodmanAsync(string verb, params string[] words)
    {
        return RunningProcess.RunAsync(_store.PodmanBy(_options.Runtime, [verb, .. words, Name]), _lab.Deadline);
    }

    /// <summary>The process id of the daemon, as seen from here.</summary>
    public async Task<int> ProcessAsync()
    {
        CommandResult result = (await PodmanAsync("inspect", "--format", "{{.State.Pid}}")).Expect();
        return int.Parse(result.Output);
    }

    private string WgFile(int port, SidecarPeer peer, SidecarStart start) =>
        $"""
        [Interface]
        PrivateKey = {Keys.Private}
        ListenPort = {port}
        {(start == SidecarStart.Tool ? "" : "Address = " + _address)}

        [Peer]
        PublicKey = {peer.Key}
        AllowedIPs = {peer.Allowed}
        {(peer.Endpoint is null ? "" : "Endpoint = " + peer.Endpoint)}

        """;

    // Kubernetes gives a mounted secret to the pod's fsGroup; here it is the user's own.
    private async Task<string> MountedAsync(string kind, string text)
    {
        string file = _lab.WriteFile($"{Name}.{kind}", text);
        await _lab.RunAsync("chown", "65532:65532", file);
        return file;
    }

    private async Task SetUpAsync()
    {
        await Run.WaitForOutputAsync($"The tunnel {Interface} is up", _lab.Deadline);
        if (_options.Start == SidecarStart.Tool)
        {
            await TunnelctlAsync("setconf", Interface, File);
            await Space.IpAsync($"address add {_address} dev {Interface}");
            await Space.IpAsync($"link set {Interface} mtu 1420 up");
        }
    }
}
