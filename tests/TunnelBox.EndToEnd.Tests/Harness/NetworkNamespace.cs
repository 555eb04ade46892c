using System.Globalization;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>A network namespace with its loopback up; deleted with every process in it when the lab closes.</summary>
internal sealed class NetworkNamespace
{
    private readonly Lab _lab;

    private NetworkNamespace(Lab lab, string name)
    {
        _lab = lab;
        Name = name;
    }

    /// <summary>Its name in <c>/run/netns</c>.</summary>
    public string Name { get; }

    /// <summary>Makes a namespace.</summary>
    public static async Task<NetworkNamespace> CreateAsync(Lab lab)
    {
        var made = new NetworkNamespace(lab, Names.Next());
        await lab.RunAsync("ip", "netns", "add", made.Name);
        await made.IpAsync("link set lo up");
        // A fresh namespace answers neighbour discovery at once; duplicate detection would only add a second to every test.
        await made.SysctlAsync("net.ipv6.conf.default.accept_dad=0");
        // Removing the first address of a subnet must leave the others.
        await made.SysctlAsync("net.ipv4.conf.all.promote_secondaries=1");
        return made;
    }

    /// <summary>Joins two namespaces by a veth pair.</summary>
    /// <returns>The names of the two devices, in the order of the namespaces.</returns>
    public static async Task<(string First, string Second)> ConnectAsync(
        NetworkNamespace first, NetworkNamespace second, int mtu = 1500)
    {
        string left = Names.Next();
        string right = Names.Next();
        await first._lab.RunAsync(
            "ip", "link", "add", left, "netns", first.Name, "mtu", mtu.ToString(), "type", "veth",
            "peer", "name", right, "netns", second.Name, "mtu", mtu.ToString());
        await first.IpAsync($"link set {left} up");
        await second.IpAsync($"link set {right} up");
        return (left, right);
    }

    /// <summary>Deletes namespaces, sockets and folders of processes that are gone.</summary>
    public static async Task SweepAsync()
    {
        foreach (string path in Directory.Exists("/run/netns") ? Directory.GetFiles("/run/netns") : [])
        {
            if (Names.IsLeftOver(Path.GetFileName(path)))
            {
                await DeleteAsync(Path.GetFileName(path));
            }
        }

        foreach (string path in Directory.Exists("/etc/netns") ? Directory.GetDirectories("/etc/netns") : [])
        {
            if (Names.IsLeftOver(Path.GetFileName(path)))
            {
                Directory.Delete(path, recursive: true);
            }
        }

        foreach (string folder in (string[])["/var/run/wireguard", "/run/tunnelbox"])
        {
            foreach (string path in Directory.Exists(folder) ? Directory.GetFiles(folder) : [])
            {
                if (Names.IsLeftOver(Path.GetFileNameWithoutExtension(path)))
                {
                    File.Delete(path);
                }
            }
        }

        foreach (string path in Directory.GetDirectories(Path.GetTempPath(), "tb*"))
        {
            if (Names.IsLeftOver(Path.GetFileName(path)))
            {
                Directory.Delete(path, recursive: true);
            }
        }
    }

    /// <summary>Kills what runs in a namespace, then deletes it; its devices go with it.</summary>
    public static async Task DeleteAsync(string name)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        foreach (int process in await ProcessesAsync(name, limit.Token))
        {
            await RunningProcess.RunAsync(["kill", "-s", "KILL", process.ToString()], limit.Token);
        }

        await RunningProcess.RunAsync(["ip", "netns", "del", name], limit.Token);
        if (Directory.Exists(FilesOf(name)))
        {
            Directory.Delete(FilesOf(name), recursive: true);
        }
    }

    /// <summary>The ids of the processes whose current namespace this is.</summary>
    public Task<int[]> ProcessesAsync()
    {
        return ProcessesAsync(Name, _lab.Deadline);
    }

    /// <summary>Runs a command inside and demands success.</summary>
    public async Task<CommandResult> RunAsync(params string[] argv)
    {
        return (await TryAsync(argv)).Expect();
    }

    /// <summary>Runs a command inside, whatever its exit code.</summary>
    public Task<CommandResult> TryAsync(params string[] argv)
    {
        return RunningProcess.RunAsync(Inside(argv), _lab.Deadline);
    }

    /// <summary>Runs a command inside with an environment and input of its own, whatever its exit code.</summary>
    public Task<CommandResult> TryAsync(
        IReadOnlyList<string> argv, IReadOnlyDictionary<string, string?>? environment, string? input = null)
    {
        return RunningProcess.RunAsync(Inside(argv), _lab.Deadline, input, environment);
    }

    /// <summary>Starts a command inside; the lab ends it.</summary>
    public Task<RunningProcess> StartAsync(IReadOnlyList<string> argv, IReadOnlyDictionary<string, string?>? environment = null)
    {
        return _lab.StartAsync(Inside(argv), environment);
    }

    /// <summary>Runs ip(8) here; the words are split at spaces.</summary>
    public Task<CommandResult> IpAsync(string words)
    {
        return _lab.RunAsync(["ip", "-n", Name, .. words.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
    }

    /// <summary>Sets a sysctl of this namespace.</summary>
    public Task<CommandResult> SysctlAsync(string setting)
    {
        return RunAsync("sysctl", "-q", "-w", setting);
    }

    /// <summary>Writes the <c>/etc/hosts</c> of programs in here; one that runs sees each later change of it.</summary>
    public void SetHosts(string text) => SetFile("hosts", text);

    /// <summary>Writes the <c>/etc/resolv.conf</c> of programs in here; one that runs sees each later change of it.</summary>
    public void SetResolver(string text) => SetFile("resolv.conf", text);

    /// <summary>Loads an nftables ruleset here.</summary>
    public async Task NftAsync(string ruleset)
    {
        (await TryAsync(["nft", "-f", "-"], environment: null, ruleset)).Expect();
    }

    /// <summary>True when a device of that name is here.</summary>
    public async Task<bool> HasLinkAsync(string device)
    {
        CommandResult result = await RunningProcess.RunAsync(["ip", "-n", Name, "link", "show", device], _lab.Deadline);
        return result.ExitCode == 0;
    }

    private static async Task<int[]> ProcessesAsync(string name, CancellationToken deadline)
    {
        CommandResult result = await RunningProcess.RunAsync(["ip", "netns", "pids", name], deadline);
        return [.. result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => int.Parse(line, CultureInfo.InvariantCulture))];
    }

    // ip netns exec lays these files over those in /etc.
    private static string FilesOf(string name) => Path.Combine("/etc/netns", name);

    private void SetFile(string file, string text)
    {
        Directory.CreateDirectory(FilesOf(Name));
        File.WriteAllText(Path.Combine(FilesOf(Name), file), text);
    }

    private string[] Inside(IReadOnlyList<string> argv)
    {
        return ["ip", "netns", "exec", Name, .. argv];
    }
}
