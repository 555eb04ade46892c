namespace TunnelBox.Linux.Netlink;

/// <summary>The packet filter of one network namespace (nf_tables over nfnetlink): the one of the thread that opened it. Not thread-safe.</summary>
public sealed class NftablesSocket : IDisposable
{
    private readonly NetlinkSocket _socket;

    private NftablesSocket(NetlinkSocket socket) => _socket = socket;

    /// <summary>Opens the packet filter.</summary>
    /// <returns>The packet filter.</returns>
    /// <exception cref="NetlinkException">The kernel refuses the socket; <see cref="NetlinkException.NoProtocol"/> where it has no nfnetlink.</exception>
    public static NftablesSocket Open() => new(NetlinkSocket.Open(NetlinkSocket.Netfilter));

    /// <summary>Lists the tables of all families.</summary>
    /// <returns>The tables, in the kernel's order; none where the kernel has no nf_tables.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public List<NftablesTable> Tables() => List(Nfnetlink.NFT_MSG_GETTABLE, "listing the nftables tables", Parse);

    /// <summary>Lists objects of a kind, of all families.</summary>
    /// <typeparam name="T">The kind.</typeparam>
    /// <param name="type">NFT_MSG_GET*.</param>
    /// <param name="what">What is done, for errors.</param>
    /// <param name="parse">Reads one from its message; null for what is cut short.</param>
    /// <returns>The objects, in the kernel's order; none where the kernel has no nf_tables.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    internal List<T> List<T>(ushort type, string what, NftablesParser<T> parse)
        where T : class => List(new NetlinkWriter(type, 0).Struct(default(Nfnetlink.Nfgenmsg)), what, parse);

    /// <summary>Lists the objects that a request asks for.</summary>
    /// <typeparam name="T">The kind.</typeparam>
    /// <param name="request">NFT_MSG_GET* with what narrows it down.</param>
    /// <param name="what">What is done, for errors.</param>
    /// <param name="parse">Reads one from its message; null for what is cut short.</param>
    /// <returns>The objects, in the kernel's order; none where the kernel has no nf_tables.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    internal List<T> List<T>(NetlinkWriter request, string what, NftablesParser<T> parse)
        where T : class
    {
        List<T> found = [];
        try
        {
            _socket.Dump(request, what, found.Clear, (in message) =>
            {
                if (parse(message.Payload) is { } one)
                {
                    found.Add(one);
                }
            });
        }
        catch (NetlinkException e) when (e.Errno is NetlinkException.Invalid or NetlinkException.NotSupported)
        {
            // nfnetlink calls a subsystem that it does not have invalid.
            return [];
        }

        return found;
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

/// <summary>Reads an object of nf_tables.</summary>
/// <typeparam name="T">Its kind.</typeparam>
/// <param name="payload">The message after its header.</param>
/// <returns>The object, or null where the message is cut short.</returns>
internal delegate T? NftablesParser<T>(ReadOnlySpan<byte> payload)
    where T : class;
