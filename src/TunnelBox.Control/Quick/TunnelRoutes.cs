using System.Net;
using System.Net.Sockets;
using TunnelBox.Configuration;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>
/// The routes of a tunnel's allowed IPs, as wg-quick(8) lays them: into the main table, a given table, or for default
/// routes into a table of their own that every packet without the tunnel's firewall mark looks into first.
/// </summary>
/// <param name="settings">The namespace's settings.</param>
/// <param name="client">The daemon, which learns the mark.</param>
/// <param name="undo">Learns what to take back.</param>
/// <param name="guard">Keeps default routes tight.</param>
public sealed class TunnelRoutes(NetworkSettings settings, UapiClient client, UndoStack undo, LeakGuard guard)
{
    /// <summary>The first table, and mark, tried for default routes.</summary>
    public const uint FirstTable = 51820;

    private const string SourceValidMark = "/proc/sys/net/ipv4/conf/all/src_valid_mark";

    /// <summary>Adds the routes of every allowed IP.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="device">The device as it runs.</param>
    /// <param name="table">Where routes go.</param>
    public void Add(Link link, DeviceState device, RouteTable table)
    {
        ArgumentNullException.ThrowIfNull(link);
        ArgumentNullException.ThrowIfNull(device);
        if (table.Kind == RouteTableKind.Off)
        {
            return;
        }

        HashSet<IPNetwork> present = [];
        foreach (Route route in settings.Routes(ipv6: false).Concat(settings.Routes(ipv6: true)))
        {
            if (route.LinkIndex == link.Index && route.Table == Route.MainTable)
            {
                present.Add(route.Destination);
            }
        }

        uint mark = device.FirewallMark;
        foreach (IPNetwork network in Sorted(device))
        {
            if (table.Kind == RouteTableKind.Fixed)
            {
                settings.Add(new Route(network, link.Index, table.Id));
            }
            else if (network.PrefixLength == 0)
            {
                mark = AddDefault(link, network, mark);
            }
            else if (!Covered(network, present))
            {
                settings.Add(new Route(network, link.Index, Route.MainTable));
                present.Add(network);
            }
        }
    }

    /// <summary>Removes the rules and guards that default routes of this tunnel needed; the routes go with the interface.</summary>
    /// <param name="device">The device as it ran.</param>
    /// <param name="table">Where routes went.</param>
    /// <param name="back">The interface, where a later step that fails must put all of it back; null where the interface itself goes.</param>
    public void Remove(DeviceState device, RouteTable table, Link? back = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (table.Kind != RouteTableKind.Auto || device.FirewallMark == 0)
        {
            return;
        }

        foreach (bool ipv6 in new[] { false, true })
        {
            bool routed = device.Peers.Exists(peer => peer.AllowedIps.Exists(network => network.PrefixLength == 0 && IsIPv6(network) == ipv6));
            if (routed)
            {
                bool guarded = guard.Remove(ipv6);
                if (guarded && back is not null)
                {
                    undo.Push(() => guard.Install(back, ipv6, device.FirewallMark));
                }

                TryRemove(new Rule(ipv6, device.FirewallMark, Mark: device.FirewallMark, Invert: true), back is not null);
                TryRemove(new Rule(ipv6, Route.MainTable, SuppressPrefixLength: 0), back is not null);
            }
        }
    }

    private static bool IsIPv6(IPNetwork network) => network.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6;

    /// <summary>The narrowest first, so that a wider one that covers it does not hide it.</summary>
    private static IEnumerable<IPNetwork> Sorted(DeviceState device) => device.Peers
        .SelectMany(peer => peer.AllowedIps)
        .Distinct()
        .OrderByDescending(network => network.PrefixLength)
        .ThenByDescending(network => network.ToString(), StringComparer.Ordinal);

    private static bool Covered(IPNetwork network, HashSet<IPNetwork> present)
    {
        Span<byte> bytes = stackalloc byte[16];
        network.BaseAddress.TryWriteBytes(bytes, out int size);
        for (int length = network.PrefixLength; length >= 0; length--)
        {
            if (length < 8 * size)
            {
                bytes[length / 8] &= (byte)(0xff00 >> (length % 8));
            }

            if (present.Contains(new IPNetwork(new IPAddress(bytes[..size]), length)))
            {
                return true;
            }
        }

        return false;
    }

    private uint AddDefault(Link link, IPNetwork network, uint mark)
    {
        bool ipv6 = IsIPv6(network);
        if (mark == 0)
        {
            mark = FreeTable();
            client.Set(new DeviceChange { FirewallMark = mark });
        }

        settings.Add(new Route(network, link.Index, mark));
        AddRule(new Rule(ipv6, mark, Mark: mark, Invert: true));
        AddRule(new Rule(ipv6, Route.MainTable, SuppressPrefixLength: 0));
        if (!ipv6)
        {
            AcceptMarkedSources();
        }

        guard.Install(link, ipv6, mark);
        undo.Push(() => guard.Remove(ipv6));
        return mark;
    }

    private uint FreeTable()
    {
        HashSet<uint> taken = [.. settings.Routes(ipv6: false).Concat(settings.Routes(ipv6: true)).Select(route => route.Table)];
        uint table = FirstTable;
        while (taken.Contains(table))
        {
            table++;
        }

        return table;
    }

    private void AddRule(Rule rule)
    {
        settings.Add(rule);
        undo.Push(() => settings.Remove(rule));
    }

    private void TryRemove(Rule rule, bool back)
    {
        try
        {
            settings.Remove(rule);
            if (back)
            {
                undo.Push(() => settings.Add(rule));
            }
        }
        catch (NetlinkException e) when (e.Errno is NetlinkException.NoEntry or 97)
        {
            // Somebody was faster, or the family is off (EAFNOSUPPORT); either way the rule is not there.
        }
    }

    /// <summary>Lets the reverse-path filter count the mark, or it would drop what comes back through the other table.</summary>
    private void AcceptMarkedSources()
    {
        // Often read-only in containers, and then often already right: so read first.
        if (!File.Exists(SourceValidMark) || File.ReadAllText(SourceValidMark).Trim() == "1")
        {
            return;
        }

        try
        {
            File.WriteAllText(SourceValidMark, "1");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ControlException(
                $"{SourceValidMark}: cannot be set to 1, without which answers to the tunnel's own datagrams are dropped ({e.Message.TrimEnd('.')}); set the sysctl net.ipv4.conf.all.src_valid_mark=1 from outside (securityContext.sysctls in the pod's manifest; docker run --sysctl net.ipv4.conf.all.src_valid_mark=1).",
                e is UnauthorizedAccessException ? ControlFailure.NoPermission : ControlFailure.Failed,
                e);
        }

        undo.Push(() => File.WriteAllText(SourceValidMark, "0"));
    }
}
