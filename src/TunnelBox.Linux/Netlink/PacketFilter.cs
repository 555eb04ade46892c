namespace TunnelBox.Linux.Netlink;

/// <summary>The packet filter of one network namespace (nf_tables over nfnetlink): the one of the thread that opened it. Not thread-safe.</summary>
public sealed class PacketFilter : IDisposable
{
    private readonly NetlinkSocket _socket;

    private PacketFilter(NetlinkSocket socket) => _socket = socket;

    /// <summary>Opens the packet filter.</summary>
    /// <returns>The packet filter.</returns>
    /// <exception cref="NetlinkException">The kernel refuses the socket; <see cref="NetlinkException.NoProtocol"/> where it has no nfnetlink.</exception>
    public static PacketFilter Open() => new(NetlinkSocket.Open(NetlinkSocket.Netfilter));

    /// <summary>Lists the tables of all families.</summary>
    /// <returns>The tables, in the kernel's order; none where the kernel has no nf_tables.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<NftablesTable> Tables()
    {
        List<NftablesTable> tables = [];
        NetlinkWriter request = new NetlinkWriter(Nfnetlink.NFT_MSG_GETTABLE, 0).Struct(default(Nfnetlink.Nfgenmsg));
        try
        {
            _socket.Dump(request, "listing the nftables tables", tables.Clear, (in message) =>
            {
                if (Parse(message.Payload) is { } table)
                {
                    tables.Add(table);
                }
            });
        }
        catch (NetlinkException e) when (e.Errno is NetlinkException.Invalid or NetlinkException.NotSupported)
        {
            // nfnetlink calls a subsystem that it does not have invalid.
            return [];
        }

        return tables;
    }

    /// <summary>Makes changes together.</summary>
    /// <param name="batch">The changes.</param>
    /// <exception cref="NetlinkException">
    /// The kernel refused one, and made none: <see cref="NetlinkException.NotSupported"/> where it has no nf_tables,
    /// <see cref="NetlinkException.NoEntry"/> where it lacks a kind of chain or expression.
    /// </exception>
    public void Commit(NftablesBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Requests.Count > 0)
        {
            _socket.Batch(NftablesBatch.Edge(Nfnetlink.NFNL_MSG_BATCH_BEGIN), batch.Requests, NftablesBatch.Edge(Nfnetlink.NFNL_MSG_BATCH_END));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>Reads an NFT_MSG_NEWTABLE.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The table, or null where the message is cut short.</returns>
    internal static NftablesTable? Parse(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Nfnetlink.Nfgenmsg header, out NetlinkAttributes attributes))
        {
            return null;
        }

        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == Nfnetlink.NFTA_TABLE_NAME)
            {
                return new NftablesTable(header.Family, attribute.Text);
            }
        }

        return null;
    }
}
