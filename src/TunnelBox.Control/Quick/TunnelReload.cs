using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Crypto;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>
/// Makes a running tunnel what its file says without touching the sessions of peers that stay: addresses, configuration,
/// MTU and routes. What fails takes back every step before it; a faulty file changes nothing.
/// </summary>
/// <param name="file">The file.</param>
/// <param name="interfaceName">The interface.</param>
/// <param name="note">Told what people should see on the way.</param>
/// <remarks>
/// Left as they are until the tunnel goes down: addresses that the file no longer has (somebody else may have added them),
/// DNS, and the mark of default routes where the file gives none. Hooks do not run.
/// </remarks>
public sealed class TunnelReload(WgFile file, string interfaceName, Action<string> note)
{
    private readonly UndoStack _undo = new(note);

    /// <summary>Gets the directory of the daemon's UAPI socket.</summary>
    public string SocketDirectory { get; init; } = UapiSocket.DefaultDirectory;

    /// <summary>Gets the endpoints that the file gave before, where that is known: one that it gives still does not move a peer that has roamed since.</summary>
    public IReadOnlyDictionary<PublicKey, HostPort>? EndpointsBefore { get; init; }

    private UapiClient Client => field ??= new UapiClient(interfaceName, SocketDirectory);

    /// <summary>Gets what resolved the file's endpoints.</summary>
    public EndpointResolver Names { get; } = new(note);

    /// <summary>Does it.</summary>
    /// <exception cref="ControlException">No daemon serves the interface, a name does not resolve, or a step failed; everything was taken back.</exception>
    /// <exception cref="NetlinkException">The kernel refused a step; everything was taken back.</exception>
    public void Run()
    {
        using NetworkSettings settings = NetworkSettings.Open();
        using DeviceState before = Client.Get();
        Link link = settings.FindLink(interfaceName) ?? throw new ControlException($"{interfaceName}: there is no such interface in this network namespace.");
        // Everything that the file can be wrong in is found here, before the first step.
        DeviceChange change = Change(before);
        LeakGuard guard = new(settings, interfaceName);
        try
        {
            // Taken back last, when the interface has its old addresses again.
            _undo.Push(() => guard.Renew(link, before.FirewallMark));
            Addresses(settings, link);
            Client.Set(change);
            _undo.Push(() => Restore(before));
            using DeviceState after = Client.Get();
            Mtu(settings, link);
            Routes(settings, link, guard, before, after);
            guard.Renew(link, after.FirewallMark);
        }
        catch
        {
            _undo.Run();
            throw;
        }
    }

    private DeviceChange Change(DeviceState before)
    {
        DeviceChange change = WgFileChange.Sync(file, before, Names);
        if (file.Interface.FirewallMark is null && file.Interface.Table.Kind == RouteTableKind.Auto)
        {
            // The running mark may be the one that "up" chose for the default routes.
            change.FirewallMark = null;
        }

        if (file.Interface.ListenPort is null or 0)
        {
            // Any port will do, so the present one does; another would lose what is on its way to it.
            change.ListenPort = null;
        }

        KeepRoamed(change, before);
        return change;
    }

    private void KeepRoamed(DeviceChange change, DeviceState before)
    {
        if (EndpointsBefore is null)
        {
            return;
        }

        Dictionary<PublicKey, HostPort> given = [];
        foreach (WgPeer peer in file.Peers.Where(peer => peer.Endpoint is not null))
        {
            given[peer.PublicKey] = peer.Endpoint!.Value;
        }

        HashSet<PublicKey> reached = [.. before.Peers.Where(peer => peer.Endpoint is not null).Select(peer => peer.PublicKey)];
        foreach (PeerChange peer in change.Peers.Where(peer => reached.Contains(peer.PublicKey)))
        {
            if (given.TryGetValue(peer.PublicKey, out HostPort now) && EndpointsBefore.TryGetValue(peer.PublicKey, out HostPort then) && now == then)
            {
                peer.Endpoint = null;
            }
        }
    }

    private void Restore(DeviceState before)
    {
        using WgFile running = before.ToWgFile();
        using DeviceState now = Client.Get();
        Client.Set(WgFileChange.Sync(running, now, new EndpointResolver(note)));
    }

    private void Addresses(NetworkSettings settings, Link link)
    {
        HashSet<InterfaceAddress> present = [.. settings.Addresses(link).Select(address => new InterfaceAddress(address.Address, address.PrefixLength))];
        foreach (InterfaceAddress address in file.Interface.Addresses.Where(address => !present.Contains(address)).Distinct())
        {
            settings.AddAddress(link, address.Address, address.PrefixLength);
            _undo.Push(() => settings.RemoveAddress(link, address.Address, address.PrefixLength));
        }

        foreach (InterfaceAddress address in present.Except(file.Interface.Addresses).Where(address => !address.Address.IsIPv6LinkLocal))
        {
            note($"{interfaceName}: the address {address} is not in the file; it stays until the tunnel goes down.");
        }
    }

    private void Mtu(NetworkSettings settings, Link link)
    {
        if (file.Interface.Mtu is { } mtu && mtu != link.Mtu)
        {
            settings.SetMtu(link, mtu);
            _undo.Push(() => settings.SetMtu(link, link.Mtu));
        }
    }

    private void Routes(NetworkSettings settings, Link link, LeakGuard guard, DeviceState before, DeviceState after)
    {
        RouteTable table = file.Interface.Table;
        if (table.Kind == RouteTableKind.Off)
        {
            return;
        }

        HashSet<IPNetwork> old = [.. before.Peers.SelectMany(peer => peer.AllowedIps)];
        HashSet<IPNetwork> wanted = [.. after.Peers.SelectMany(peer => peer.AllowedIps)];
        // The route that an address brings along is the address's, even where an allowed IP has the same prefix.
        HashSet<IPNetwork> ofAddresses = [.. settings.Addresses(link).Select(address => Prefix(address.Address, address.PrefixLength))];
        TunnelRoutes routes = new(settings, Client, _undo, guard);
        HashSet<IPNetwork> gone = [.. old.Except(wanted)];
        if (gone.Any(network => network.PrefixLength == 0))
        {
            routes.Remove(Only(before, network => network.PrefixLength == 0 && gone.Contains(network)), table, link);
        }

        foreach (Route route in settings.Routes(ipv6: false).Concat(settings.Routes(ipv6: true)))
        {
            bool ours = route.LinkIndex == link.Index && gone.Contains(route.Destination) && !ofAddresses.Contains(route.Destination)
                && route.Table == TableOf(route.Destination, table, before);
            if (ours)
            {
                settings.Remove(route);
                _undo.Push(() => settings.Add(route));
            }
        }

        // With tables of their own every new network has a route; in the main table a wider one may cover it, and one that was covered may have lost that.
        bool every = table.Kind == RouteTableKind.Auto;
        routes.Add(link, Only(after, network => !old.Contains(network) || (every && network.PrefixLength > 0)), table);
    }

    private static uint TableOf(IPNetwork network, RouteTable table, DeviceState before) =>
        table.Kind == RouteTableKind.Fixed ? table.Id : network.PrefixLength == 0 ? before.FirewallMark : Route.MainTable;

    private static IPNetwork Prefix(IPAddress address, int length)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int bit = length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new IPNetwork(new IPAddress(bytes), length);
    }

    /// <summary>The device as if its peers had only some of their allowed IPs; without secrets.</summary>
    private static DeviceState Only(DeviceState device, Func<IPNetwork, bool> which)
    {
        DeviceState only = new(device.Name) { ListenPort = device.ListenPort, FirewallMark = device.FirewallMark };
        foreach (PeerStatus peer in device.Peers)
        {
            PeerStatus part = new(peer.PublicKey) { Endpoint = peer.Endpoint };
            part.AllowedIps.AddRange(peer.AllowedIps.Where(which));
            only.Peers.Add(part);
        }

        return only;
    }
}
