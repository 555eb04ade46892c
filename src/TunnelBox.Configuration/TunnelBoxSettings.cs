namespace TunnelBox.Configuration;

/// <summary>How much the log says; each level holds the ones before it.</summary>
public enum LogLevel
{
    /// <summary>Nothing.</summary>
    Silent,

    /// <summary>What keeps the tunnel from working.</summary>
    Error,

    /// <summary>What people should look at.</summary>
    Warning,

    /// <summary>What happens seldom: start, stop, changes.</summary>
    Info,

    /// <summary>Handshakes, roaming, timers.</summary>
    Debug,
}

/// <summary>
/// TunnelBox's own settings; what belongs to WireGuard stands in wg files. Later sources win over earlier ones: defaults,
/// tunnelbox.json, its part for one interface (<c>Interfaces:NAME</c>), <c>TUNNELBOX__KEY</c>, <c>TUNNELBOX__INTERFACES__NAME__KEY</c>.
/// </summary>
public sealed record TunnelBoxSettings
{
    /// <summary>Where the file stands unless <see cref="PathVariable"/> says otherwise.</summary>
    public const string DefaultPath = "/etc/tunnelbox/tunnelbox.json";

    /// <summary>The environment variable that names the file.</summary>
    public const string PathVariable = "TUNNELBOX_CONFIG";

    /// <summary>Gets the number of workers, each a thread with queues and sockets of its own, at most 64; 0 leaves it to the program, which takes one.</summary>
    public int Workers { get; init; }

    /// <summary>Gets a value indicating whether each worker keeps to one CPU.</summary>
    public bool PinWorkers { get; init; }

    /// <summary>Gets the worker of each receive queue of the devices of <see cref="OuterPort"/> and <see cref="InnerPort"/>, as <see cref="QueueMapSetting"/> reads it.</summary>
    public string QueueMap { get; init; } = QueueMapSetting.InTurn;

    /// <summary>Gets a value indicating whether workers that have nothing to do open bursts of one that has more than it can.</summary>
    public bool ShareOpening { get; init; } = true;

    /// <summary>Gets how much the log says.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Info;

    /// <summary>Gets the MTU that a new interface has until somebody sets another, in bytes.</summary>
    public int Mtu { get; init; } = 1420;

    /// <summary>Gets the directory of what outlives a run, such as the last handshake stamp.</summary>
    public string StateDirectory { get; init; } = "/var/lib/tunnelbox";

    /// <summary>Gets the directory of control sockets other than the UAPI's.</summary>
    public string RuntimeDirectory { get; init; } = "/run/tunnelbox";

    /// <summary>Gets the directory of UAPI sockets.</summary>
    public string UapiDirectory { get; init; } = "/var/run/wireguard";

    /// <summary>Gets a value indicating whether the TUN device may hand over and take super-packets (TSO, USO).</summary>
    public bool TunOffload { get; init; } = true;

    /// <summary>Gets a value indicating whether the UDP socket may use UDP_SEGMENT and UDP_GRO.</summary>
    public bool UdpOffload { get; init; } = true;

    /// <summary>Gets the name of the AEAD engine, or "auto" for the fastest that passes its self-test.</summary>
    public string Aead { get; init; } = "auto";

    /// <summary>Gets where metrics are served: "off", "socket" for a Unix socket in <see cref="RuntimeDirectory"/>, a socket's path, or ADDRESS:PORT.</summary>
    public string Metrics { get; init; } = SettingDefinition.MetricsOff;

    /// <summary>Gets the OpenTelemetry collector that metrics are sent to, or null for none.</summary>
    public Uri? Otlp { get; init; }

    /// <summary>Gets the outer port, as <see cref="OuterPortSetting"/> reads it.</summary>
    public string OuterPort { get; init; } = "auto";

    /// <summary>Gets the inner port, as <see cref="InnerPortSetting"/> reads it.</summary>
    public string InnerPort { get; init; } = "tun";

    /// <summary>Gets a value indicating whether <see cref="InnerPort"/> may go past a firewall that decides on forwarded packets.</summary>
    public bool InnerPastFirewall { get; init; }

    /// <summary>Gets the microseconds that a worker polls the device of <see cref="OuterPort"/> at a time, 0 for not at all.</summary>
    public int BusyPoll { get; init; }

    /// <summary>Gets what keeps steering rules: <c>auto</c> and <c>map</c> programs in the kernel, <c>hw</c> the card, too, <c>off</c> nothing.</summary>
    public string Steering { get; init; } = "auto";

    /// <summary>Gets the wg file of the tunnel that the daemon sets up itself, or null for none.</summary>
    public string? WgFile { get; init; }

    /// <summary>Gets where health is served: "off", "socket" for a Unix socket in <see cref="RuntimeDirectory"/>, a socket's path, or ADDRESS:PORT.</summary>
    public string Health { get; init; } = SettingDefinition.MetricsOff;

    /// <summary>Gets the peers of which one must have been heard for readiness: "any", "none", or public keys with commas between them.</summary>
    public string ReadyPeers { get; init; } = "any";

    /// <summary>Gets the seconds within which such a peer must have been heard.</summary>
    public int ReadyWindow { get; init; } = 180;

    /// <summary>Gets when traffic for the tunnel that would leave another way is dropped: off, on or keep.</summary>
    public string KillSwitch { get; init; } = "off";

    /// <summary>Gets the networks that the kill switch lets pass, with commas between them.</summary>
    public string KillSwitchAllow { get; init; } = string.Empty;

    /// <summary>Gets what becomes of the tunnel's DNS servers where the daemon sets the tunnel up itself: "auto", "off", or the file that they are written to.</summary>
    public string Dns { get; init; } = "auto";
}
