using System.Net;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>The MTU of a tunnel whose file gives none: what the way to its endpoints carries, less what a tunnel adds.</summary>
public static class TunnelMtu
{
    /// <summary>Bytes that the outer headers take at most: IPv6 40, UDP 8, WireGuard 32.</summary>
    public const int Overhead = 80;

    private const int Ethernet = 1500;

    /// <summary>Derives the MTU, as wg-quick(8) does.</summary>
    /// <param name="settings">The namespace's settings.</param>
    /// <param name="device">The device, for its endpoints.</param>
    /// <returns>The MTU in bytes.</returns>
    public static int Derive(NetworkSettings settings, DeviceState device)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(device);
        int largest = 0;
        foreach (IPAddress address in device.Peers.Select(peer => peer.Endpoint?.Address).OfType<IPAddress>().Distinct())
        {
            try
            {
                largest = Math.Max(largest, Of(settings, settings.Lookup(address)));
            }
            catch (NetlinkException)
            {
                // No way there now: this endpoint says nothing about the MTU.
            }
        }

        if (largest == 0)
        {
            largest = Of(settings, settings.Routes(ipv6: false).Find(route => route.Table == Route.MainTable && route.Destination.PrefixLength == 0));
        }

        return (largest == 0 ? Ethernet : largest) - Overhead;
    }

    private static int Of(NetworkSettings settings, Route? route) =>
        route is null ? 0 : route.Mtu != 0 ? route.Mtu : settings.FindLink(route.LinkIndex)?.Mtu ?? 0;
}
