namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>What TunnelBox does and another program is known not to do. Ours lacks none of them.</summary>
[Flags]
internal enum Lacks
{
    /// <summary>Nothing: the program is ours.</summary>
    None = 0,

    /// <summary>Outer and inner congestion marks do not follow RFC 6040.</summary>
    Ecn = 1,

    /// <summary>The outer don't-fragment bit is left as the socket has it.</summary>
    DontFragmentClear = 2,

    /// <summary>A UAPI set keeps what stood before its bad line.</summary>
    AtomicSet = 4,

    /// <summary>A tunnel routed into itself goes round until the processor is full.</summary>
    LoopGuard = 8,

    /// <summary>A refused start is not told in one sentence that names the remedy.</summary>
    Remedies = 16,

    /// <summary>An IPv4 answer may leave from another address than it was asked at, and a peer cannot change from IPv4 to IPv6.</summary>
    StickySource = 32,

    /// <summary>A sticky IPv4 source that vanished is kept: Linux 6.18 answers ENETUNREACH where it used to answer EINVAL.</summary>
    VanishedSource = 64,

    /// <summary>A background daemon stays in the session of the terminal it was started from.</summary>
    OwnSession = 128,

    /// <summary>Any word is taken as a name, also an empty one and one that looks like a flag.</summary>
    NameCheck = 256,

    /// <summary>Socket buffers are what the system gives by default (208 KiB), so a busy machine loses bursts.</summary>
    LargeBuffers = 512,

    /// <summary>A path narrower than its segments stalls TCP: what UDP_SEGMENT refuses is lost.</summary>
    NarrowRoute = 1024,
}

/// <summary>A program that is started as <c>PROGRAM [-f] INTERFACE</c> and serves the cross-platform UAPI.</summary>
internal sealed record TunnelProgram(string Path, Lacks Lacks)
{
    private const Lacks OfWireGuardGo =
        Lacks.Ecn | Lacks.DontFragmentClear | Lacks.AtomicSet | Lacks.LoopGuard | Lacks.Remedies
        | Lacks.VanishedSource | Lacks.OwnSession | Lacks.NameCheck | Lacks.LargeBuffers;

    private const Lacks OfWireGuardGo2023 = OfWireGuardGo | Lacks.StickySource | Lacks.NarrowRoute;

    private static readonly Lazy<Task<TunnelProgram>> s_go2022 = new(() => FetchAsync("2022", OfWireGuardGo));
    private static readonly Lazy<Task<TunnelProgram>> s_go2023 = new(() => FetchAsync("2023", OfWireGuardGo2023));

    /// <summary>The folder that holds TunnelBox.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The program under test: <c>TB_PROGRAM</c>, else <c>out/tunnelbox</c>.</summary>
    public static TunnelProgram Default { get; } = FindDefault();

    /// <summary>The tunnelctl beside the program under test: <c>TB_TUNNELCTL</c>, else <c>out/tunnelctl</c>.</summary>
    public static string Tunnelctl { get; } = Environment.GetEnvironmentVariable("TB_TUNNELCTL") is { Length: > 0 } path
        ? path
        : System.IO.Path.Combine(Root, "out", "tunnelctl");

    /// <summary>A short name for messages.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>wireguard-go of Debian 12 (no offloads), fetched and checked on first use.</summary>
    public static Task<TunnelProgram> WireGuardGo2022Async()
    {
        return s_go2022.Value;
    }

    /// <summary>wireguard-go of bookworm-backports (TUN and UDP offloads), fetched and checked on first use.</summary>
    public static Task<TunnelProgram> WireGuardGo2023Async()
    {
        return s_go2023.Value;
    }

    /// <summary>True when a behaviour is known to be missing; the caller then asserts what the program does instead.</summary>
    public bool Is(Lacks lack)
    {
        return (Lacks & lack) != Lacks.None;
    }

    /// <summary>Itself, or the reason it cannot be run.</summary>
    public TunnelProgram Expect()
    {
        return File.Exists(Path)
            ? this
            : throw new InvalidOperationException($"{Path} is missing: run `make build`, or set TB_PROGRAM to a tunnel program.");
    }

    private static TunnelProgram FindDefault()
    {
        string path = Environment.GetEnvironmentVariable("TB_PROGRAM") is { Length: > 0 } set
            ? set
            : System.IO.Path.Combine(Root, "out", "tunnelbox");
        if (!path.Contains('/', StringComparison.Ordinal))
        {
            path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
                .Select(folder => System.IO.Path.Combine(folder, path)).FirstOrDefault(File.Exists) ?? path;
        }

        bool foreign = System.IO.Path.GetFileName(path).StartsWith("wireguard-go", StringComparison.Ordinal);
        bool offloads = path.Contains("2023", StringComparison.Ordinal);
        return new TunnelProgram(path, !foreign ? Lacks.None : offloads ? OfWireGuardGo2023 : OfWireGuardGo);
    }

    private static async Task<TunnelProgram> FetchAsync(string release, Lacks lacks)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        string script = System.IO.Path.Combine(Root, "interop", "wireguard-go", "fetch.sh");
        CommandResult result = await RunningProcess.RunAsync([script, release], limit.Token);
        return new TunnelProgram(result.Expect().Output.Trim(), lacks);
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "TunnelBox.sln")))
        {
            folder = System.IO.Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds TunnelBox.sln.");
    }
}
