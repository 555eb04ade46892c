using TunnelBox.Control;
using TunnelBox.Service;

namespace TunnelBox.Daemon;

/// <summary>Stands in the place of the device until it is joined here: a tunnel without interface and peers.</summary>
/// <param name="interfaceName">The interface.</param>
internal sealed class StandInTunnel(string interfaceName) : ITunnel
{
    private readonly TaskCompletionSource<string> _ended = new();

    /// <inheritdoc/>
    public string InterfaceName => interfaceName;

    /// <inheritdoc/>
    public Task<string> Ended => _ended.Task;

    /// <inheritdoc/>
    public void Start()
    {
    }

    /// <inheritdoc/>
    public void Read(IDeviceVisitor visitor) => visitor.Device([], 0, 0);

    /// <inheritdoc/>
    public int Apply(DeviceChange change) => -95;

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
