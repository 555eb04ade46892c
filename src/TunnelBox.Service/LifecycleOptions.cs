using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Service;

/// <summary>What one run of the daemon is told by its command line, environment and settings.</summary>
/// <param name="InterfaceName">The interface.</param>
public sealed record LifecycleOptions(string InterfaceName)
{
    /// <summary>Gets an open descriptor of the TUN device (<c>WG_TUN_FD</c>), or null to open one.</summary>
    public int? TunDescriptor { get; init; }

    /// <summary>Gets the directory of the UAPI socket.</summary>
    public string SocketDirectory { get; init; } = UapiSocket.DefaultDirectory;

    /// <summary>Gets the directory of TunnelBox's own control socket.</summary>
    public string RuntimeDirectory { get; init; } = new TunnelBoxSettings().RuntimeDirectory;

    /// <summary>Gets the other end of a background start, or null in the foreground.</summary>
    public ReadinessNotifier? Readiness { get; init; }

    /// <summary>Gets how long the way down may take before the process ends itself.</summary>
    public TimeSpan StopDeadline { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Gets a value indicating whether a running daemon is to be taken over.</summary>
    public bool TakeOver { get; init; }

    /// <summary>Gets the tunnel that the daemon sets up itself, or null where others do.</summary>
    public Appliance? Appliance { get; init; }

    /// <summary>Gets the service manager, or null where none listens.</summary>
    public SystemdNotifier? Notifier { get; init; }

    /// <summary>Gets this tunnel's place among several of one process, or null where it is the only one.</summary>
    public TunnelGroup.Member? Member { get; init; }

    /// <summary>Gets what orchestrators are answered.</summary>
    public Probes Probes { get; init; } = new();
}
