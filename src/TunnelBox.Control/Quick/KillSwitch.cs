using System.Net;
using System.Net.Sockets;
using TunnelBox.Configuration;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>
/// What keeps traffic of the tunnel from leaving in the clear, also while the tunnel is down or its daemon was killed: tables of nftables that let packets
/// for the tunnel's networks pass through its interface only, whatever the routes say. The tunnel's own datagrams carry its firewall mark.
/// </summary>
/// <param name="interfaceName">The interface; it need not exist.</param>
public sealed class KillSwitch(string interfaceName)
{
    /// <summary>Most networks that get rules of their own; more of them close the whole family.</summary>
    public const int MostNetworks = 256;

    private const string Loopback = "lo";

    private string TableName => "tunnelbox-kill-" + interfaceName;

    /// <summary>Closes the ways around the tunnel, in one step; an older switch of the same interface is replaced.</summary>
    /// <param name="networks">The networks of the tunnel: its peers' allowed IPs. A default route of either family closes both.</param>
    /// <param name="mark">The firewall mark of the tunnel's own datagrams, not 0.</param>
    /// <param name="allowed">What passes all the same.</param>
    /// <exception cref="ControlException">The kernel refuses; nothing was changed.</exception>
    public void Install(IReadOnlyCollection<IPNetwork> networks, uint mark, IReadOnlyCollection<IPNetwork> allowed)
    {
        ArgumentNullException.ThrowIfNull(networks);
        ArgumentNullException.ThrowIfNull(allowed);
        NftablesBatch batch = new();
        bool everything = networks.Any(network => network.PrefixLength == 0);
        foreach (bool ipv6 in new[] { false, true })
        {
            AddressFamily family = ipv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
            List<IPNetwork> closed = [.. networks.Where(network => network.BaseAddress.AddressFamily == family).Distinct()];
            bool all = everything || closed.Count > MostNetworks;
            NftablesTable table = NftablesTable.Of(ipv6, TableName);
            batch.AddTable(table).DeleteTable(table).AddTable(table)
                .AddChain(table, "output", NftablesHook.Output, 0)
                .AddChain(table, "forward", NftablesHook.Forward, 0);
            batch.AddRule(table, "output", new NftablesRule().ToLink(Loopback).Accept());
            batch.AddRule(table, "output", new NftablesRule().Marked(mark).Accept());
            batch.AddRule(table, "forward", new NftablesRule().FromLink(interfaceName).Accept());
            foreach (string chain in new[] { "output", "forward" })
            {
                batch.AddRule(table, chain, new NftablesRule().ToLink(interfaceName).Accept());
                foreach (IPNetwork network in allowed.Where(network => network.BaseAddress.AddressFamily == family))
                {
                    batch.AddRule(table, chain, new NftablesRule().To(network).Accept());
                }
            }

            // Without its neighbours this machine has no network at all, and the tunnel no way.
            for (byte type = 133; ipv6 && type <= 137; type++)
            {
                batch.AddRule(table, "output", new NftablesRule().IcmpV6Type(type).Accept());
            }

            foreach (string chain in new[] { "output", "forward" })
            {
                foreach (IPNetwork network in all ? [new IPNetwork(ipv6 ? IPAddress.IPv6Any : IPAddress.Any, 0)] : closed)
                {
                    batch.AddRule(table, chain, new NftablesRule().To(network).Drop());
                }
            }
        }

        try
        {
            using NftablesSocket filter = NftablesSocket.Open();
            filter.Commit(batch);
        }
        catch (NetlinkException e)
        {
            throw new ControlException(
                $"{interfaceName}: the kill switch cannot be installed ({e.Message}); it needs nf_tables in the kernel and CAP_NET_ADMIN, or set KillSwitch to off.",
                e.Errno == NetlinkException.NotPermitted ? ControlFailure.NoPermission : ControlFailure.Failed,
                e);
        }
    }

    /// <summary>Opens what was closed, if it was.</summary>
    /// <returns>Whether there was a switch.</returns>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    public bool Remove()
    {
        using NftablesSocket filter = NftablesSocket.Open();
        List<NftablesTable> tables = filter.Tables().FindAll(table => table.Name == TableName);
        if (tables.Count == 0)
        {
            return false;
        }

        NftablesBatch batch = new();
        tables.ForEach(table => batch.DeleteTable(table));
        filter.Commit(batch);
        return true;
    }

    /// <summary>Gives the networks of a file's peers.</summary>
    /// <param name="file">The file.</param>
    /// <returns>Their allowed IPs.</returns>
    public static IReadOnlyCollection<IPNetwork> NetworksOf(WgFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return [.. file.Peers.SelectMany(peer => peer.AllowedIps).Where(entry => entry.Sign != AllowedIpSign.Minus).Select(entry => entry.Network).Distinct()];
    }
}
