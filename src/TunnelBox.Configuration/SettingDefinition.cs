using System.Net;
using System.Text;

namespace TunnelBox.Configuration;

/// <summary>One setting: its name, what it takes, and how it is put into the settings. The one list of them; manuals are made from it.</summary>
/// <param name="Name">The key in tunnelbox.json.</param>
/// <param name="Allowed">What it takes, as the end of a sentence.</param>
/// <param name="Meaning">What it is for, one sentence.</param>
/// <param name="Default">The default as text.</param>
/// <param name="Set">Gives new settings, or null where the text is not allowed.</param>
public sealed record SettingDefinition(
    string Name,
    string Allowed,
    string Meaning,
    string Default,
    Func<TunnelBoxSettings, string, TunnelBoxSettings?> Set)
{
    /// <summary>Metrics are not served.</summary>
    public const string MetricsOff = "off";

    /// <summary>Metrics are served at a Unix socket of the interface's name.</summary>
    public const string MetricsSocket = "socket";

    // What fits into the kernel's sockaddr_un with its end.
    private const int MaxSocketPath = 107;

    /// <summary>Gets every setting.</summary>
    public static IReadOnlyList<SettingDefinition> All { get; } =
    [
        new("Workers", "0 to 64 is allowed; 0 leaves it to the program, which takes one.", "Threads that move packets.", "0",
            (s, text) => Number(text, 0, 64) is { } n ? s with { Workers = n } : null),
        Flag("PinWorkers", "Whether each worker keeps to one CPU, where there are more CPUs than workers.", false, (s, on) => s with { PinWorkers = on }),
        new("QueueMap", "auto, or the numbers of workers with commas between them, such as 0,1,1 for queues 0, 1 and 2, are allowed.",
            "Which worker serves each receive queue of the devices of OuterPort and InnerPort; with \"auto\", and beyond the list, the workers take turns.", QueueMapSetting.InTurn,
            (s, text) => QueueMapSetting.Parse(text) is null ? null : s with { QueueMap = text }),
        Flag("ShareOpening", "Whether workers with nothing to do open bursts of one that has more than it can open alone; it delivers them in their order.", true, (s, on) => s with { ShareOpening = on }),
        new("LogLevel", "silent, error, warning, info or debug is allowed.", "How much the log says.", "info",
            (s, text) => Level(text) is { } level ? s with { LogLevel = level } : null),
        new("Mtu", "576 to 65535 bytes are allowed.", "MTU of a new interface until another is set.", "1420",
            (s, text) => Number(text, 576, 65_535) is { } n ? s with { Mtu = n } : null),
        Directory("StateDirectory", "Where what outlives a run is kept.", "/var/lib/tunnelbox", (s, path) => s with { StateDirectory = path }),
        Directory("RuntimeDirectory", "Where control sockets stand.", "/run/tunnelbox", (s, path) => s with { RuntimeDirectory = path }),
        Directory("UapiDirectory", "Where UAPI sockets stand; wg(8) looks in the default only.", "/var/run/wireguard", (s, path) => s with { UapiDirectory = path }),
        Flag("TunOffload", "Whether the TUN device may hand over super-packets (TSO, USO).", true, (s, on) => s with { TunOffload = on }),
        Flag("UdpOffload", "Whether the UDP socket may use UDP_SEGMENT and UDP_GRO.", true, (s, on) => s with { UdpOffload = on }),
        new("Aead", "\"auto\" or an engine's name of lower-case letters, digits and '-' is allowed.", "Which AEAD engine seals packets.", "auto",
            (s, text) => text.Length is > 0 and <= 32 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') ? s with { Aead = text } : null),
        new("Metrics", "off, socket (INTERFACE.metrics in RuntimeDirectory), the absolute path of a socket, or ADDRESS:PORT such as 127.0.0.1:9586 is allowed.",
            "Where Prometheus finds metrics, at /metrics.", MetricsOff,
            (s, text) => text is MetricsOff or MetricsSocket || IsPath(text) || IsEndpoint(text) ? s with { Metrics = text } : null),
        new("Otlp", "off, or the http or https address of an OpenTelemetry collector such as http://127.0.0.1:4318 is allowed.", "Where metrics are sent, as OTLP over HTTP.", "off",
            (s, text) => text == "off" ? s with { Otlp = null }
                : Uri.TryCreate(text, UriKind.Absolute, out Uri? collector) && collector.Scheme is "http" or "https" && collector.UserInfo.Length == 0 ? s with { Otlp = collector } : null),
        new("OuterPort", "\"auto\", \"udp\", \"auto:DEVICE\" or \"xdp:DEVICE\" is allowed.",
            "How datagrams reach the network: by sockets, or past the kernel (AF_XDP) on an Ethernet device that is named; \"auto:DEVICE\" does so where its driver needs no copy.",
            "auto",
            (s, text) => OuterPortSetting.Parse(text) is null ? null : s with { OuterPort = text }),
        new("InnerPort", "\"tun\", \"auto:DEVICE\" or \"xdp:DEVICE\" is allowed.",
            "How packets of a local network reach the tunnel: by the TUN device alone, or past the kernel (AF_XDP) on an Ethernet device that is named, with \"auto:DEVICE\" where its driver needs no copy; the TUN device stays for this machine's own.",
            "tun",
            (s, text) => InnerPortSetting.Parse(text) is null ? null : s with { InnerPort = text }),
        Flag("InnerPastFirewall", "Whether InnerPort may go past a firewall that decides on forwarded packets.", false, (s, on) => s with { InnerPastFirewall = on }),
        new("BusyPoll", "0 to 1000 microseconds are allowed; 0 is off.",
            "How long a worker polls the device of OuterPort at a time, whose interrupts are put off meanwhile: more packets a second, where a whole processor may be spent on it.",
            "0",
            (s, text) => Number(text, 0, 1000) is { } n ? s with { BusyPoll = n } : null),
        new("Steering", "auto, off, map or hw is allowed.",
            "Whether programs in the kernel know the tunnel's receiver indices: with AF_XDP what is nobody's is dropped before it costs anything, and with several workers each datagram goes to the worker that owns its session, each inner flow to one worker; \"auto\" is \"map\". With \"hw\" the card of OuterPort also sends each peer's datagrams to one queue, where it takes such rules.",
            "auto",
            (s, text) => text is "auto" or "off" or "map" or "hw" ? s with { Steering = text } : null),
        new("WgFile", "none, or the absolute path of a wg file is allowed.", "The file of the tunnel that the daemon sets up itself; --config goes before it.", "none",
            (s, text) => text == "none" ? s with { WgFile = null } : text.StartsWith('/') && !text.Contains('\0') ? s with { WgFile = text } : null),
        new("Health", "off, socket (INTERFACE.health in RuntimeDirectory), the absolute path of a socket, or ADDRESS:PORT such as 0.0.0.0:9587 is allowed; the address of Metrics, too.",
            "Where /livez, /readyz and /startupz answer.", MetricsOff,
            (s, text) => text is MetricsOff or MetricsSocket || IsPath(text) || IsEndpoint(text) ? s with { Health = text } : null),
        new("ReadyPeers", "any, none, or public keys with commas between them are allowed.", "Peers of which one must have been heard within ReadyWindow, or /readyz fails.", "any",
            (s, text) => text is "any" or "none" || text.Split(',').All(IsKey) ? s with { ReadyPeers = text } : null),
        new("ReadyWindow", "10 to 86400 seconds are allowed.", "Seconds within which a peer of ReadyPeers must have been heard; in the second half of them /readyz asks for a handshake.", "180",
            (s, text) => Number(text, 10, 86_400) is { } n ? s with { ReadyWindow = n } : null),
        new("KillSwitch", "off, on or keep is allowed.",
            "Whether nftables drops what is for the tunnel and would leave another way, also while the tunnel is down: \"on\" until an orderly stop, \"keep\" after it, too, until \"tunnelbox --clean-up\".",
            "off",
            (s, text) => text is "off" or "on" or "keep" ? s with { KillSwitch = text } : null),
        new("KillSwitchAllow", "none, or networks such as 10.96.0.0/12 with commas between them are allowed.", "What the kill switch lets pass outside of the tunnel, such as the resolver that knows the endpoints' names.", "none",
            (s, text) => text == "none" ? s with { KillSwitchAllow = string.Empty } : Networks(text) is not null ? s with { KillSwitchAllow = text } : null),
        new("Dns", "auto, off, or the absolute path of a file is allowed.",
            "What becomes of the DNS servers of a tunnel that the daemon sets up itself: \"auto\" gives them to resolvconf(8) where it is installed, a path is written in the form of resolv.conf(5).", "auto",
            (s, text) => text is "auto" or "off" || IsPath(text) ? s with { Dns = text } : null),
    ];

    /// <summary>Finds a setting, ignoring case.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The setting, or null.</returns>
    public static SettingDefinition? Find(string name) => All.FirstOrDefault(setting => setting.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Reads networks with commas between them.</summary>
    /// <param name="text">The text; empty for none.</param>
    /// <returns>The networks, or null where one of them is none.</returns>
    public static IReadOnlyList<IPNetwork>? Networks(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<IPNetwork> networks = [];
        foreach (string word in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!IpText.TryParseNetwork(Encoding.UTF8.GetBytes(word), lengthNeeded: false, out IPNetwork network, out _))
            {
                return null;
            }

            networks.Add(network);
        }

        return networks;
    }

    private static SettingDefinition Flag(string name, string meaning, bool initial, Func<TunnelBoxSettings, bool, TunnelBoxSettings> set) => new(
        name, "true or false is allowed.", meaning, initial ? "true" : "false",
        (s, text) => bool.TryParse(text, out bool on) ? set(s, on) : null);

    private static SettingDefinition Directory(string name, string meaning, string initial, Func<TunnelBoxSettings, string, TunnelBoxSettings> set) => new(
        name, "the absolute path of a directory is allowed.", meaning, initial,
        (s, text) => text.StartsWith('/') && !text.Contains('\0') ? set(s, text) : null);

    private static bool IsPath(string text) => text.StartsWith('/') && !text.Contains('\0') && Encoding.UTF8.GetByteCount(text) <= MaxSocketPath;

    private static bool IsKey(string text)
    {
        Span<byte> key = stackalloc byte[KeyText.KeySize];
        return KeyText.TryFromBase64(Encoding.UTF8.GetBytes(text.Trim()), key);
    }

    private static bool IsEndpoint(string text) => text.Contains(':') && IPEndPoint.TryParse(text, out IPEndPoint? endpoint) && endpoint.Port != 0;

    private static int? Number(string text, uint low, uint high) =>
        IpText.TryParseDecimal(Encoding.UTF8.GetBytes(text), high, out uint number) && number >= low ? (int)number : null;

    private static LogLevel? Level(string text) => text.ToLowerInvariant() switch
    {
        "silent" => LogLevel.Silent,
        "error" => LogLevel.Error,
        "warning" => LogLevel.Warning,
        "info" => LogLevel.Info,
        "debug" or "verbose" => LogLevel.Debug,
        _ => null,
    };
}
