using System.Runtime.InteropServices;
using static TunnelBox.Linux.Netlink.TrafficControl;

namespace TunnelBox.Linux.Netlink;

/// <content>The hash tables and what leads to them.</content>
public sealed unsafe partial class IndexRules
{
    private void MakeTables()
    {
        NetlinkWriter qdisc = new(RTM_NEWQDISC, Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL);
        qdisc.Struct(new Tcmsg { Index = _device, Parent = TC_H_CLSACT, Handle = 0xFFFF0000 }).Attribute(TCA_KIND, "clsact");
        try
        {
            _socket.Change(qdisc, "making the queueing discipline clsact");
            _madeQdisc = true;
        }
        catch (NetlinkException there) when (there.Errno == NetlinkException.Exists)
        {
            // Somebody's clsact or ingress: rules of other priorities stay theirs.
        }

        Clear();
        MakeTable(FirstLevel, Tables);
        for (uint table = 0; table < Tables; table++)
        {
            MakeTable(SecondLevel + table, Buckets);
            Link((FirstLevel << 20) | (table << 12), SecondLevel + table, new U32Selector { HashMask = Network(0xFF000000), HashAt = 4 }, [default]);
        }

        // Whole datagrams without options to our port that begin like a data message; what follows counts from behind the UDP header.
        var rest = new U32Selector { Flags = TC_U32_OFFSET | TC_U32_EAT, HashMask = Network((Tables - 1) << 16) };
        Link(
            0,
            FirstLevel,
            rest with { Offset = 28, HashAt = 32 },
            [Key(0xFF000000, 0x45000000, 0), Key(0x00003FFF, 0, 4), Key(0x00FF0000, 17 << 16, 8), Key(0xFFFF, _port, 20), Key(uint.MaxValue, 0x04000000, 28)]);
        Link(
            0,
            FirstLevel,
            rest with { Offset = 48, HashAt = 52 },
            [Key(0x0000FF00, 17 << 8, 4), Key(0xFFFF, _port, 40), Key(uint.MaxValue, 0x04000000, 48)],
            isIPv6: true);
    }

    private static U32Key Key(uint mask, uint value, int offset) => new() { Mask = Network(mask), Value = Network(value), Offset = offset };

    private void MakeTable(uint table, uint size)
    {
        NetlinkWriter request = Filter(table << 20, isIPv6: false);
        int options = request.BeginNest(TCA_OPTIONS);
        request.Attribute(TCA_U32_DIVISOR, size).Attribute(TCA_U32_FLAGS, _flags).EndNest(options);
        _socket.Change(request, "making a table of traffic control");
    }

    private void Link(uint bucket, uint to, U32Selector selector, ReadOnlySpan<U32Key> keys, bool isIPv6 = false)
    {
        NetlinkWriter request = Filter(0, isIPv6);
        int options = request.BeginNest(TCA_OPTIONS);
        if (bucket != 0)
        {
            request.Attribute(TCA_U32_HASH, bucket);
        }

        selector.Keys = (byte)keys.Length;
        Span<byte> bytes = stackalloc byte[sizeof(U32Selector) + (keys.Length * sizeof(U32Key))];
        MemoryMarshal.Write(bytes, in selector);
        MemoryMarshal.AsBytes(keys).CopyTo(bytes[sizeof(U32Selector)..]);
        request.Attribute(TCA_U32_LINK, to << 20).Attribute(TCA_U32_SEL, bytes).Attribute(TCA_U32_FLAGS, _flags).EndNest(options);
        _socket.Change(request, "linking tables of traffic control");
    }

    private NetlinkWriter Filter(uint handle, bool isIPv6)
    {
        NetlinkWriter request = new(RTM_NEWTFILTER, Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL);
        uint info = isIPv6 ? Info(Priority6, ETH_P_IPV6) : Info(Priority4, ETH_P_IP);
        return request.Struct(new Tcmsg { Index = _device, Parent = Ingress, Handle = handle, Info = info }).Attribute(TCA_KIND, "u32");
    }

    // Tables live as long as any u32 filter of the device, even somebody else's: each is removed by name, after what leads to it.
    private void Clear()
    {
        Try(Removal(0, isIPv6: true));
        List<uint> links = [];
        bool isThere = false;
        try
        {
            NetlinkWriter request = new(RTM_GETTFILTER, 0);
            request.Struct(new Tcmsg { Index = _device, Parent = Ingress, Info = Info(Priority4, ETH_P_IP) });
            _socket.Dump(request, "reading traffic control", links.Clear, (in message) =>
            {
                if (NetlinkMessage.TrySplit(message.Payload, out Tcmsg header, out _) && header.Info >> 16 == Priority4)
                {
                    isThere = true;
                    if ((header.Handle & Nodes) != 0 && header.Handle >> 20 is < SecondLevel or >= SecondLevel + Tables)
                    {
                        links.Add(header.Handle);
                    }
                }
            });
        }
        catch (NetlinkException)
        {
            // No queueing discipline, or no device: no tables.
        }

        if (isThere)
        {
            links.ForEach(link => Try(Removal(link, isIPv6: false)));
            RemoveTable(FirstLevel);
            for (uint table = 0; table < Tables; table++)
            {
                RemoveTable(SecondLevel + table);
            }
        }

        Try(Removal(0, isIPv6: false));
        Forget();
    }

    // The kernel forgets a removed link only after everybody who may look at it has passed (RCU): until then the table is in use.
    private void RemoveTable(uint table)
    {
        const int Busy = 16;
        for (int attempt = 0; Try(Removal(table << 20, isIPv6: false)) == Busy && attempt < 500; attempt++)
        {
            Thread.Sleep(1);
        }
    }

    private NetlinkWriter Removal(uint handle, bool isIPv6) => new NetlinkWriter(RTM_DELTFILTER, 0).Struct(new Tcmsg
    {
        Index = _device,
        Parent = Ingress,
        Handle = handle,
        Info = isIPv6 ? Info(Priority6, ETH_P_IPV6) : Info(Priority4, ETH_P_IP),
    });

    // It may not be there, or its device may be gone.
    private int Try(NetlinkWriter request)
    {
        try
        {
            _socket.Change(request, "clearing traffic control");
            return 0;
        }
        catch (NetlinkException refused)
        {
            return refused.Errno;
        }
    }
}
