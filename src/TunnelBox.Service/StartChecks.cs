using TunnelBox.Linux.Processes;

namespace TunnelBox.Service;

/// <summary>Looks for what a start commonly lacks, before anything is made, and names the remedy in one sentence.</summary>
public static class StartChecks
{
    private const string TunDevice = "/dev/net/tun";

    /// <summary>Checks what opening the TUN device will need.</summary>
    /// <param name="options">What this run is told.</param>
    /// <exception cref="StartException">Something is missing.</exception>
    public static void Run(LifecycleOptions options)
    {
        if (options.TunDescriptor is int descriptor)
        {
            if (!Descriptors.IsOpen(descriptor))
            {
                throw new StartException($"WG_TUN_FD is {descriptor}, which is not an open file descriptor: pass an open one of a TUN device.");
            }

            return;
        }

        if (!File.Exists(TunDevice))
        {
            throw TunMissing();
        }

        if (Capabilities.OfThisProcess() is { } capabilities && !capabilities.Has(Capability.NetAdmin))
        {
            throw NotAllowed(options.InterfaceName);
        }
    }

    private static StartException TunMissing() => new(
        $"{TunDevice} is missing: load the module (modprobe tun), or give the device to the container (docker run --device {TunDevice}).");

    private static StartException NotAllowed(string interfaceName) => new(
        $"The interface {interfaceName} needs the capability CAP_NET_ADMIN: run as root, or give it (sudo; docker run --cap-add NET_ADMIN; AmbientCapabilities=CAP_NET_ADMIN in a unit).");
}
