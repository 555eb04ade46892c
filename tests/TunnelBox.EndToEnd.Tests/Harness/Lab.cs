using System.Diagnostics;
using System.Text;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>What one test builds: namespaces, processes, files. Closing it removes all of it, whatever has happened.</summary>
internal sealed class Lab : IAsyncDisposable
{
    private static readonly string[] s_tools =
        ["ip", "wg", "wg-quick", "ping", "iperf3", "tcpdump", "tshark", "nft", "setpriv", "sysctl", "kill", "unshare"];

    private static readonly Lazy<Task> s_ready = new(PrepareAsync);

    private readonly CancellationTokenSource _deadline;
    private readonly List<RunningProcess> _processes = [];
    private readonly List<NetworkNamespace> _namespaces = [];
    private readonly List<string> _interfaces = [];
    private readonly List<string> _folders = [];
    private readonly List<Func<string>> _reports = [];
    private readonly Stopwatch _watch = Stopwatch.StartNew();

    private Lab(TimeSpan deadline)
    {
        _deadline = new CancellationTokenSource(deadline);
        Folder = Path.Combine(Path.GetTempPath(), Names.Next());
        Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Cancelled when the test has used up its time.</summary>
    public CancellationToken Deadline => _deadline.Token;

    /// <summary>A folder of its own, mode 0700.</summary>
    public string Folder { get; }

    /// <summary>Time since the lab opened.</summary>
    public TimeSpan Elapsed => _watch.Elapsed;

    /// <summary>Opens a lab. Fails with the reason when this machine cannot run one: a missing right is not a skipped test.</summary>
    public static async Task<Lab> OpenAsync(TimeSpan deadline)
    {
        await s_ready.Value;
        return new Lab(deadline);
    }

    /// <summary>Makes a namespace.</summary>
    public async Task<NetworkNamespace> NamespaceAsync()
    {
        NetworkNamespace made = await NetworkNamespace.CreateAsync(this);
        _namespaces.Add(made);
        return made;
    }

    /// <summary>Runs a command and demands success.</summary>
    public async Task<CommandResult> RunAsync(params string[] argv)
    {
        return (await RunningProcess.RunAsync(argv, Deadline)).Expect();
    }

    /// <summary>Starts a process that ends with the lab.</summary>
    public async Task<RunningProcess> StartAsync(IReadOnlyList<string> argv, IReadOnlyDictionary<string, string?>? environment = null)
    {
        RunningProcess started = await RunningProcess.StartAsync(argv, environment);
        _processes.Add(started);
        return started;
    }

    /// <summary>Writes a file of mode 0600 into the lab's folder.</summary>
    public string WriteFile(string name, string text)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    /// <summary>Makes a folder outside the lab's own, which goes with it.</summary>
    public string OwnFolder(string path)
    {
        Directory.CreateDirectory(path);
        _folders.Add(path);
        return path;
    }

    /// <summary>Has the sockets of a tunnel interface removed when the lab closes.</summary>
    public void OwnInterface(string name)
    {
        _interfaces.Add(name);
    }

    /// <summary>Adds to what is shown when the test fails.</summary>
    public void Report(Func<string> report)
    {
        _reports.Add(report);
    }

    /// <summary>What is known about the lab, for a failure message.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        foreach (Func<string> report in _reports)
        {
            text.AppendLine(report());
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (RunningProcess process in Enumerable.Reverse(_processes))
        {
            await process.DisposeAsync();
        }

        foreach (NetworkNamespace space in _namespaces)
        {
            await NetworkNamespace.DeleteAsync(space.Name);
        }

        foreach (string name in _interfaces)
        {
            File.Delete($"/var/run/wireguard/{name}.sock");
            foreach (string path in Directory.Exists("/run/tunnelbox") ? Directory.GetFiles("/run/tunnelbox", name + ".*") : [])
            {
                File.Delete(path);
            }
        }

        foreach (string path in _folders.Where(Directory.Exists))
        {
            Directory.Delete(path, recursive: true);
        }

        Directory.Delete(Folder, recursive: true);
        _deadline.Dispose();
    }

    private static async Task PrepareAsync()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new InvalidOperationException(
                "End-to-end tests make network namespaces and TUN devices, so they need root: run them as root or through sudo.");
        }

        string[] path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        string[] missing = [.. s_tools.Where(tool => !path.Any(folder => File.Exists(Path.Combine(folder, tool))))];
        if (missing.Length > 0)
        {
            throw new InvalidOperationException(
                $"Programs are missing: {string.Join(", ", missing)}. apt-get install wireguard-tools iperf3 tshark tcpdump nftables iproute2 iputils-ping.");
        }

        if (!File.Exists("/dev/net/tun"))
        {
            throw new InvalidOperationException("/dev/net/tun is missing: modprobe tun, or give the container that device.");
        }

        await NetworkNamespace.SweepAsync();
    }
}
