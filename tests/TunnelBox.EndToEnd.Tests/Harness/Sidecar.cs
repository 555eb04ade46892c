namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>What a container is given. As it stands, it is what the manual says a sidecar needs.</summary>
internal sealed record SidecarOptions
{
    /// <summary>Capabilities that are added to none.</summary>
    public string[] Capabilities { get; init; } = ["NET_ADMIN"];

    /// <summary>Whether it has /dev/net/tun.</summary>
    public bool Tun { get; init; } = true;

    /// <summary>Whether there are memory file systems on /run and /tmp, over a root file system that nobody can write to.</summary>
    public bool Writable { get; init; } = true;

    /// <summary>Whether programs can gain nothing by exec, which Kubernetes calls allowPrivilegeEscalation: false.</summary>
    public bool NoNewPrivileges { get; init; }

    /// <summary>Variables, <c>NAME=VALUE</c>.</summary>
    public string[] Variables { get; init; } = [];
}

/// <summary>A container of the image in a network namespace.</summary>
internal sealed class Sidecar
{
    public const string Interface = "wg0";

    private readonly Lab _lab;
    private readonly ImageStore _store;
    private readonly string[] _addresses;

    private Sidecar(Lab lab, ImageStore store, NetworkNamespace space, TunnelKeys keys, string[] addresses)
    {
        _lab = lab;
        _store = store;
        Space = space;
        Keys = keys;
        _addresses = addresses;
    }

    public string Name { get; } = Names.Next();

    public NetworkNamespace Space { get; }

    public TunnelKeys Keys { get; }

    /// <summary>The attached <c>podman run</c>; its exit code is the container's.</summary>
    public RunningProcess Run { get; private set; } = null!;

    /// <summary>Makes keys; nothing runs yet.</summary>
    public static async Task<Sidecar> PrepareAsync(Lab lab, ImageStore store, NetworkNamespace space, params string[] addresses)
    {
        return new Sidecar(lab, store, space, await TunnelKeys.MakeAsync(lab.Deadline), addresses);
    }

    /// <summary>The file of the tunnel, for this end.</summary>
    public string WgFile(int port, string peerKey, string allowed, string? endpoint) =>
        $"""
        [Interface]
        PrivateKey = {Keys.Private}
        ListenPort = {port}

        [Peer]
        PublicKey = {peerKey}
        AllowedIPs = {allowed}
        {(endpoint is null ? "" : "Endpoint = " + endpoint)}

        """;

    /// <summary>The words that run the container with a file mounted.</summary>
    public async Task<string[]> WordsAsync(string wgFile, SidecarOptions options)
    {
        string file = _lab.WriteFile(Name + ".conf", wgFile);
        // Kubernetes gives a mounted secret to the pod's fsGroup; here it is the user's own.
        await _lab.RunAsync("chown", "65532:65532", file);
        return
        [
            .. _store.Podman(
                "run", "--name", Name, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", $"ns:/run/netns/{Space.Name}",
                "--read-only", $"--read-only-tmpfs={(options.Writable ? "true" : "false")}", "--cap-drop", "all"),
            .. options.Capabilities.SelectMany(name => new[] { "--cap-add", name }),
            .. options.Tun ? new[] { "--device", _store.TunDevice + ":/dev/net/tun" } : [],
            .. options.NoNewPrivileges ? new[] { "--security-opt", "no-new-privileges" } : [],
            .. options.Variables.SelectMany(variable => new[] { "--env", variable }),
            "--volume", $"{file}:/etc/wireguard/wg0.conf:ro",
            _store.Image,
        ];
    }

    /// <summary>Starts it and sets the tunnel up.</summary>
    public async Task StartAsync(string wgFile, SidecarOptions options)
    {
        Run = await _lab.StartAsync(await WordsAsync(wgFile, options));
        _lab.Report(() => $"--- container {Name} in {Space.Name}:\n{Run.Error}{Run.Output}");
        await SetUpAsync();
    }

    /// <summary>Starts it again after an end.</summary>
    public async Task RestartAsync()
    {
        Run = await _lab.StartAsync(_store.Podman("start", "--attach", Name));
        await SetUpAsync();
    }

    /// <summary>Runs tunnelctl in it.</summary>
    public async Task<CommandResult> TunnelctlAsync(params string[] words)
    {
        return (await RunningProcess.RunAsync(_store.Podman(["exec", Name, "/usr/bin/tunnelctl", .. words]), _lab.Deadline)).Expect();
    }

    /// <summary>A podman command on this container.</summary>
    public Task<CommandResult> PodmanAsync(string verb, params string[] words)
    {
        return RunningProcess.RunAsync(_store.Podman([verb, .. words, Name]), _lab.Deadline);
    }

    /// <summary>The process id of the daemon, as seen from here.</summary>
    public async Task<int> ProcessAsync()
    {
        CommandResult result = (await PodmanAsync("inspect", "--format", "{{.State.Pid}}")).Expect();
        return int.Parse(result.Output);
    }

    private async Task SetUpAsync()
    {
        await Run.WaitForOutputAsync($"The tunnel {Interface} is up", _lab.Deadline);
        await TunnelctlAsync("setconf", Interface, "/etc/wireguard/wg0.conf");
        foreach (string address in _addresses)
        {
            await Space.IpAsync($"address add {address} dev {Interface}");
        }

        await Space.IpAsync($"link set {Interface} mtu 1420 up");
    }
}
