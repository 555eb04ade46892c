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
        ArgumentNullException.ThrowIfNull(device);
        IEnumerable<IPAddress> endpoints = device.Peers.Select(peer => peer.Endpoint?.Address).OfType<IPAddress>();
        return Find(settings, endpoints, mark: 0, ownLink: 0)?.Mtu ?? Ethernet - Overhead;
    }

    /// <summary>Finds the route that the MTU follows: of those to the endpoints the one that carries most, else the default route.</summary>
    /// <param name="settings">The settings of the namespace that the endpoints are reached from.</param>
    /// <param name="endpoints">The endpoints.</param>
    /// <param name="mark">The firewall mark of what is sent to them, 0 for none: it decides who looks past the tunnel's own default route.</param>
    /// <param name="ownLink">The index of the tunnel's own interface, whose routes say nothing of the way outside; 0 for none.</param>
    /// <returns>The route; null where there is none now, so that nothing can be said.</returns>
    public static MtuRoute? Find(NetworkSettings settings, IEnumerable<IPAddress> endpoints, uint mark, int ownLink)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(endpoints);
        Dictionary<int, Link?> links = [];
        MtuRoute? best = null;
        foreach (IPAddress address in endpoints.Distinct())
        {
            try
            {
                if (Of(settings.Lookup(address, mark), address) is { } found && found.Carries > (best?.Carries ?? 0))
                {
                    best = found;
                }
            }
            catch (NetlinkException)
            {
                // No way there now: this endpoint says nothing about the MTU.
            }
        }

        return best ?? Of(settings.Routes(ipv6: false).Find(route => route.Table == Route.MainTable && route.Destination.PrefixLength == 0 && route.LinkIndex != ownLink), null);

        MtuRoute? Of(Route? route, IPAddress? endpoint)
        {
            if (route is null || route.LinkIndex == 0 || route.LinkIndex == ownLink)
            {
                return null;
            }

            if (!links.TryGetValue(route.LinkIndex, out Link? link))
            {
                link = settings.FindLink(route.LinkIndex);
                links.Add(route.LinkIndex, link);
            }

            int carries = route.Mtu != 0 ? route.Mtu : link?.Mtu ?? 0;
            return link is null || carries <= Overhead ? null : new MtuRoute(carries, link.Name, endpoint);
        }
    }
}

/// <summary>The route that a tunnel's MTU follows.</summary>
/// <param name="Carries">Bytes of the largest packet that it carries.</param>
/// <param name="LinkName">The interface that it leaves through.</param>
/// <param name="Endpoint">The endpoint that it leads to; null for the default route.</param>
public sealed record MtuRoute(int Carries, string LinkName, IPAddress? Endpoint)
{
    /// <summary>Gets the tunnel's MTU in bytes.</summary>
    public int Mtu => Carries - TunnelMtu.Overhead;

    /// <inheritdoc/>
    public override string ToString() =>
        $"the {(Endpoint is null ? "default route" : $"route to {Endpoint}")} through {LinkName}, which carries {Carries} bytes";
}
