using System.Net;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Says what would become of a packet to or from an address, from the daemon's state and the kernel's own look-ups.</summary>
public sealed class Explanation
{
    private readonly InterfaceReport _status;
    private readonly IPAddress _address;
    private readonly bool _from;
    private readonly NetworkSettings _network;
    private readonly RouteLookup _routes;
    private readonly List<ExplainFault> _faults = [];

    private Explanation(InterfaceReport status, IPAddress address, bool from, NetworkSettings network, RouteLookup routes)
    {
        _status = status;
        _address = address;
        _from = from;
        _network = network;
        _routes = routes;
    }

    /// <summary>Explains an address.</summary>
    /// <param name="status">The daemon's state.</param>
    /// <param name="address">The address inside the tunnel.</param>
    /// <param name="from">Whether the packet comes from it, instead of going to it.</param>
    /// <returns>The explanation.</returns>
    /// <exception cref="NetlinkException">The kernel refused a look-up.</exception>
    public static ExplainReport Of(InterfaceReport status, IPAddress address, bool from)
    {
        ArgumentNullException.ThrowIfNull(status);
        ArgumentNullException.ThrowIfNull(address);
        using NetworkSettings network = NetworkSettings.Open();
        using RouteLookup routes = new();
        return new Explanation(status, address, from, network, routes).Make();
    }

    /// <summary>Finds the peer that an address belongs to: the longest prefix of all decides.</summary>
    /// <param name="peers">The peers.</param>
    /// <param name="address">The address.</param>
    /// <returns>The peer and its prefix; null for none.</returns>
    public static (PeerReport Peer, IPNetwork Prefix)? Owner(IReadOnlyList<PeerReport> peers, IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(peers);
        ArgumentNullException.ThrowIfNull(address);
        (PeerReport Peer, IPNetwork Prefix)? best = null;
        foreach (PeerReport peer in peers)
        {
            foreach (string text in peer.AllowedIps)
            {
                if (IPNetwork.TryParse(text, out IPNetwork prefix) && prefix.Contains(address) && prefix.PrefixLength > (best?.Prefix.PrefixLength ?? -1))
                {
                    best = (peer, prefix);
                }
            }
        }

        return best;
    }

    private ExplainReport Make()
    {
        DeviceReport device = _status.Device;
        Link? own = _network.FindLink(device.Interface);
        Inner(own, out RouteReport? route);
        (PeerReport Peer, IPNetwork Prefix)? owner = Owner(_status.Peers, _address);
        RouteReport? outer = null;
        if (owner is not { } found)
        {
            Fault(_from ? "InTmplMismatch" : "OutNoStates", $"{_address} lies in no peer's allowed IPs.", "Add it to AllowedIPs of the peer it belongs to.");
        }
        else
        {
            outer = Peer(found.Peer, own);
        }

        PeerReport? peer = owner?.Peer;
        int overhead = peer?.Endpoint?.StartsWith('[') == true ? 80 : 60;
        return new ExplainReport
        {
            Interface = device.Interface,
            Address = _address.ToString(),
            Direction = _from ? "from" : "to",
            Route = route,
            Peer = peer?.PublicKey,
            PeerName = peer?.Name,
            Prefix = owner?.Prefix.ToString(),
            Health = peer?.Health,
            Session = peer?.Session,
            Endpoint = peer?.Endpoint,
            EndpointRoute = outer,
            Queue = device.Workers == 1 ? 0 : null,
            Mtu = outer is null ? device.Mtu : Math.Min(device.Mtu, outer.Mtu - overhead),
            Faults = _faults,
        };
    }

    private void Inner(Link? own, out RouteReport? report)
    {
        DeviceReport device = _status.Device;
        if (!device.Up)
        {
            Fault("OutInterfaceDown", $"The interface {device.Interface} is down.", $"Bring it up: ip link set {device.Interface} up.");
        }
        else if (device.Workers == 0)
        {
            Fault("OutInterfaceDown", $"{device.Interface} is up but has no UDP port.", "Set another ListenPort, or stop what holds the port; the daemon's log names the error.");
        }

        if (own is null)
        {
            Fault(Causes.Route, $"There is no interface {device.Interface} in this network namespace.", "Ask in the namespace of the interface.");
        }

        RouteAnswer answer = _routes.Out(_address);
        report = Report(answer);
        string why = _from ? "so answers do not return through the tunnel" : "so the packet never enters the tunnel";
        switch (answer.Kind)
        {
            case RouteKind.Local:
                Fault(Causes.Route, $"{_address} is an address of this machine itself.", "Ask about an address of the other end.");
                break;
            case RouteKind.None or RouteKind.Refused:
                Fault(Causes.Route, $"The kernel has no route to {_address}, {why}.", $"Add one: ip route add {_address} dev {device.Interface}.");
                break;
            default:
                if (own is not null && answer.LinkIndex != own.Index)
                {
                    Fault(Causes.Route, $"The kernel's route to {_address} leads out of {report?.Device}, {why}.", $"Add a narrower one: ip route add {_address} dev {device.Interface}.");
                }

                break;
        }

        if (_from && own is not null)
        {
            ReversePath(own);
        }
    }

    private void ReversePath(Link own)
    {
        LinkAddress? ours = _network.Addresses(own).Find(address => address.Address.AddressFamily == _address.AddressFamily);
        if (ours is not null && _routes.Out(_address).Kind != RouteKind.Local && _routes.In(ours.Address, _address, own.Index).Kind is RouteKind.Refused or RouteKind.None)
        {
            Fault(Causes.ReversePath, $"The kernel does not believe a packet from {_address} that comes in by {own.Name} (reverse-path filtering).",
                $"Route {_address} through {own.Name}, or loosen the filter: sysctl net.ipv4.conf.{own.Name}.rp_filter=2 (the larger of it and that of \"all\" counts).");
        }
    }

    private RouteReport? Peer(PeerReport peer, Link? own)
    {
        string label = peer.Name ?? peer.PublicKey;
        if (peer.Health is PeerHealth.Stalled or PeerHealth.Unheard)
        {
            Fault("OutHandshakeNoAnswer", $"{label} is {peer.Health.ToString().ToLowerInvariant()}: {peer.HealthDetail}.", $"Run \"tunnelctl doctor {_status.Device.Interface}\": it looks for the cause.");
        }

        if (_status.Device.PublicKey is null)
        {
            Fault("InHandshakeNoKey", "No private key is set.", "Set PrivateKey.");
        }

        if (peer.Endpoint is null || !IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? endpoint))
        {
            Fault("OutNoEndpoint", $"Nobody knows where {label} is.", "Set Endpoint, or wait until it speaks.");
            return null;
        }

        RouteAnswer answer = _routes.Out(endpoint.Address, _status.Device.FirewallMark);
        if (answer.Kind is RouteKind.None or RouteKind.Refused)
        {
            Fault("OutNoRoute", $"The kernel has no route to the endpoint {endpoint}.", "Add a route past the tunnel, or correct Endpoint.");
            return null;
        }

        if (own is not null && answer.LinkIndex == own.Index)
        {
            Fault("OutRoutingLoop", $"The route to the endpoint {endpoint} leads into the tunnel itself.", "Route it past the tunnel; a default route needs a firewall mark.");
        }

        return Report(answer);
    }

    private RouteReport? Report(RouteAnswer answer)
    {
        if (answer.LinkIndex == 0 || _network.FindLink(answer.LinkIndex) is not { } link)
        {
            return null;
        }

        return new RouteReport(link.Name, answer.Gateway?.ToString(), answer.Source?.ToString(), answer.Mtu > 0 ? Math.Min(answer.Mtu, link.Mtu) : link.Mtu);
    }

    private void Fault(string reason, string message, string remedy) => _faults.Add(new ExplainFault(reason, message, remedy));
}
