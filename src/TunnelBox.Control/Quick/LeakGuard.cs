using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>
/// What keeps a default route through a tunnel tight, as wg-quick(8) has it: a table of nftables that drops what comes for
/// the tunnel's addresses through another interface, and that carries the tunnel's firewall mark over to the answers to its
/// own datagrams, so that the reverse-path filter lets them in.
/// </summary>
/// <param name="settings">The namespace's settings.</param>
/// <param name="interfaceName">The interface.</param>
public sealed class LeakGuard(NetworkSettings settings, string interfaceName)
{
    private const int Raw = -300;
    private const int Mangle = -150;
    private const byte Udp = 17;

    private string TableName => "wg-quick-" + interfaceName;

    /// <summary>Installs the guard of a family in one step; an older one of the same interface is replaced.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="ipv6">The family.</param>
    /// <param name="mark">The tunnel's firewall mark.</param>
    /// <exception cref="ControlException">The kernel has no nf_tables or not all of it, or does not allow its use; nothing was changed.</exception>
    public void Install(Link link, bool ipv6, uint mark)
    {
        AddressFamily family = ipv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        NftablesTable table = NftablesTable.Of(ipv6, TableName);
        NftablesBatch batch = new NftablesBatch()
            .AddTable(table).DeleteTable(table).AddTable(table)
            .AddChain(table, "preraw", NftablesHook.Prerouting, Raw)
            .AddChain(table, "premangle", NftablesHook.Prerouting, Mangle)
            .AddChain(table, "postmangle", NftablesHook.Postrouting, Mangle);
        foreach (IPAddress address in settings.Addresses(link).Select(held => held.Address).Where(address => address.AddressFamily == family))
        {
            batch.AddRule(table, "preraw", new NftablesRule().FromOtherLink(interfaceName).To(address).SourceIsNotLocal().Drop());
        }

        batch.AddRule(table, "postmangle", new NftablesRule().Transport(Udp).Marked(mark).SaveMark());
        batch.AddRule(table, "premangle", new NftablesRule().Transport(Udp).RestoreMark());
        try
        {
            using NftablesSocket filter = NftablesSocket.Open();
            filter.Commit(batch);
        }
        catch (NetlinkException e)
        {
            throw new ControlException(Sentence(interfaceName, e), e.Errno == NetlinkException.NotPermitted ? ControlFailure.NoPermission : ControlFailure.Failed, e);
        }
    }

    /// <summary>Installs the guard again where it is, for the addresses that the interface has now.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="mark">The tunnel's firewall mark.</param>
    /// <exception cref="ControlException">The kernel refuses.</exception>
    public void Renew(Link link, uint mark)
    {
        foreach (bool ipv6 in new[] { false, true })
        {
            if (Tables().Contains(NftablesTable.Of(ipv6, TableName)))
            {
                Install(link, ipv6, mark);
            }
        }
    }

    /// <summary>Takes the guard of a family away, if it is there.</summary>
    /// <param name="ipv6">The family.</param>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    public bool Remove(bool ipv6) => Delete(table => table == NftablesTable.Of(ipv6, TableName));

    /// <summary>Takes the guards of every family away, as far as they are there: they do not go with the interface.</summary>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    public void Remove() => Delete(table => table.Name == TableName);

    /// <summary>Says what is missing where the kernel refuses the guard.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="e">The refusal.</param>
    /// <returns>One sentence.</returns>
    internal static string Sentence(string interfaceName, NetlinkException e)
    {
        const string Instead = "or set \"Table = off\" in the file and lay the default route yourself";
        string guard = $"{interfaceName}: the guard that keeps packets from leaking past the default route";
        return e.Errno switch
        {
            NetlinkException.NoProtocol or NetlinkException.NotSupported =>
                $"{guard} needs nf_tables, which this kernel does not have; load the module nf_tables, {Instead}.",
            NetlinkException.NoEntry =>
                $"{guard} needs a part of nf_tables that this kernel does not have ({e.Message}); load the modules nft_fib_ipv4, nft_fib_ipv6 and nft_ct, {Instead}.",
            NetlinkException.NotPermitted =>
                $"{guard} was denied ({e.Message}); run with CAP_NET_ADMIN, and look with \"nft list tables\" whether another program owns the table, {Instead}.",
            _ => $"{guard} could not be installed ({e.Message}); correct that, {Instead}.",
        };
    }

    private static List<NftablesTable> Tables()
    {
        try
        {
            using NftablesSocket filter = NftablesSocket.Open();
            return filter.Tables();
        }
        catch (NetlinkException e) when (e.Errno == NetlinkException.NoProtocol)
        {
            // Without nfnetlink there are no tables.
            return [];
        }
    }

    private static bool Delete(Predicate<NftablesTable> which)
    {
        List<NftablesTable> tables = Tables().FindAll(which);
        if (tables.Count == 0)
        {
            return false;
        }

        NftablesBatch batch = new();
        tables.ForEach(table => batch.DeleteTable(table));
        using NftablesSocket filter = NftablesSocket.Open();
        filter.Commit(batch);
        return true;
    }
}
