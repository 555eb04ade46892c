using System.Net;
using TunnelBox.Control;
using TunnelBox.Control.Quick;
using TunnelBox.Crypto;
using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>What follows the network around the tunnel: the MTU its route, endpoints their names.</content>
public sealed partial class TunnelDevice : INamedPeers
{
    // A second each: roaming is rare, and its route most often the same.
    private const int TicksPerEndpointLook = 5;

    private readonly NameQueries _queries = new(Dns.GetHostAddresses);
    private EndpointNames _names = null!;
    private MtuFollower _mtu = null!;
    private NetworkWatch _network = null!;
    private HashSet<IPAddress> _followed = [];
    private int _ticks;
    private volatile bool _endpointsSet;

    /// <inheritdoc/>
    bool INamedPeers.TryLook(PublicKey peer, out PeerContact contact, out EndpointAddress endpoint)
    {
        Peer? found;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            found = edit.Find(peer);
        }

        contact = found is null ? default : _tunnel.ContactOf(found);
        endpoint = found?.Endpoint?.Remote ?? default;
        return found is not null;
    }

    /// <inheritdoc/>
    void INamedPeers.Move(PublicKey peer, EndpointAddress to, string name)
    {
        Peer? found;
        bool asks;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            found = edit.Find(peer);
            if (found is null)
            {
                return;
            }

            Tunnel.Edit.SetEndpoint(found, to.ToIPEndPoint());
            asks = found.Current is not null || found.Staged.Count > 0 || found.PersistentKeepalive != 0;
        }

        EndpointsSet();
        _tunnel.Trace.EndpointChanged(found);
        _log.Info($"{peer} - {name} leads to {to.ToIPEndPoint()}; sending there from now on");
        if (asks && _workers.Length > 0)
        {
            // A session that is alive goes on there; where another machine answers to the name, only a handshake finds it soon.
            _ = _tunnel.BeginHandshake(found, out _, out _);
        }
    }

    /// <inheritdoc/>
    void INamedPeers.Tell(PublicKey peer, string sentence, bool failed)
    {
        Peer? found;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            found = edit.Find(peer);
        }

        _tunnel.Trace.Around(failed ? "name_failed" : "name_resolved", found, sentence);
        if (failed)
        {
            _log.Warning($"{InterfaceName}: {sentence}; check it, and the resolver in /etc/resolv.conf; it is asked again");
        }
        else
        {
            _log.Verbose($"{peer} - {sentence}");
        }
    }

    /// <inheritdoc/>
    EndpointAddress? ITunnelOutput.NextEndpoint(Peer peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        return peer.Endpoint is { } endpoint ? _names.Next(peer.PublicKey, endpoint.Remote) : null;
    }

    private void BuildNetwork()
    {
        _names = new EndpointNames(Notes, this, TimeProvider.System, _queries.Ask);
        _mtu = new MtuFollower(() => _tun.Mtu, _tun.SetMtu, FindMtuRoute, sentence =>
        {
            _tunnel.Trace.Around("mtu_change", null, sentence);
            _log.Info($"{InterfaceName}: {sentence}");
        });
        _network = new NetworkWatch(NetworkChanged, TickNetwork, sentence => _log.Warning($"{InterfaceName}: {sentence}"));
        Notes.Changed += () =>
        {
            _names.Adopt();
            _network.Wake();
        };
    }

    private void NetworkChanged(NetworkChange change)
    {
        // Routes to somewhere else are no new network, but one of them may be the way to an endpoint.
        if ((change & ~NetworkChange.Routes) != NetworkChange.None)
        {
            _names.NetworkChanged();
        }

        _mtu.Look();
    }

    private bool TickNetwork()
    {
        bool named = _names.Any;
        if (named)
        {
            _names.Tick();
        }

        bool follows = _mtu.Origin == MtuOrigin.Route;
        if (follows && (_endpointsSet || ++_ticks % TicksPerEndpointLook == 0))
        {
            // A peer that has roamed or was given another endpoint is reached over another route, without any change of the network.
            _endpointsSet = false;
            if (!_followed.SetEquals(Endpoints()))
            {
                _mtu.Look();
            }
        }

        return named || follows;
    }

    private void EndpointsSet()
    {
        _endpointsSet = true;
        _network.Wake();
    }

    // Only those that configuration gave: a client that comes by itself over some other network must not change the MTU for all.
    private HashSet<IPAddress> Endpoints()
    {
        IReadOnlyList<EndpointAddress> endpoints;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            endpoints = edit.ConfiguredEndpoints;
        }

        return [.. endpoints.Select(endpoint => endpoint.ToIPEndPoint().Address)];
    }

    private MtuRoute? FindMtuRoute()
    {
        _followed = Endpoints();
        try
        {
            // Opened anew each time: changes are rare, and a socket that failed once is not failed for ever.
            using NetworkSettings settings = NetworkSettings.Open();
            return TunnelMtu.Find(settings, _followed, _mark, _tun.InterfaceIndex);
        }
        catch (NetlinkException fault)
        {
            _log.Warning($"{InterfaceName}: the route that the MTU follows cannot be looked up: {fault.Message}");
            return null;
        }
    }
}
