using TunnelBox.Configuration;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.Service;

/// <summary>What a tunnel device is made of.</summary>
/// <param name="InterfaceName">The interface to make.</param>
/// <param name="Settings">TunnelBox's own settings.</param>
public sealed record TunnelDeviceOptions(string InterfaceName, TunnelBoxSettings Settings)
{
    /// <summary>Gets an open descriptor of a TUN device to adopt, or null to open one.</summary>
    public int? TunDescriptor { get; init; }

    /// <summary>Gets a value indicating whether the device of a running daemon is taken over, with its sessions.</summary>
    public bool TakeOver { get; init; }

    /// <summary>Gets the devices that other tunnels of this process use, too, the one of the outer side among them; null where it has that alone.</summary>
    public XdpDevices? Shared { get; init; }

    /// <summary>Gets what orchestrators are answered, or null where the setting Health says nothing.</summary>
    public Probes? Probes { get; init; }
}
