using System.Buffers.Binary;
using System.Net;
using System.Text;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// Replies and notifications of the kernel, whole and damaged. Walks over messages and attributes go as a slow model's; a whole reply is read as what it was
/// made of; a damaged one is read within its bounds or not at all.
/// </summary>
internal sealed class NetlinkTarget : FuzzTarget
{
    private readonly NetworkEvents _events = NetworkEvents.Open();

    /// <inheritdoc/>
    public override string Name => "netlink";

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        var draw = new Draw(input);
        List<byte> all = [];
        int outcome = 0;
        for (int messages = draw.Next(1, 4); messages > 0; messages--)
        {
            byte[] message = draw.Next(6) switch
            {
                0 => WholeRoute(draw),
                1 => WholeLink(draw),
                2 => WholeAddress(draw),
                3 => WholeRule(draw),
                4 => Error(draw),
                _ => Firewall(draw),
            };
            if (draw.Next(3) != 0)
            {
                Damage(draw, ref message);
            }

            all.AddRange(message);
        }

        byte[] bytes = [.. all];
        List<(ushort Type, int Start, int Length)> model = Messages(bytes);
        int at = 0;
        foreach (NetlinkMessage message in new NetlinkMessages(bytes))
        {
            FuzzFind.Unless(at < model.Count && message.Type == model[at].Type, "Messages are found where the model finds them.");
            FuzzFind.Unless(message.Payload.SequenceEqual(bytes.AsSpan(model[at].Start, model[at].Length)), "A message's payload is what its length says.");
            at++;
            outcome = (outcome * 31) + Read(message);
        }

        FuzzFind.Unless(at == model.Count, "Every message is found.");
        _ = _events.Judge(bytes);
        return outcome & 0xFFF;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _events.Dispose();
        base.Dispose();
    }

    private static int Read(in NetlinkMessage message)
    {
        ReadOnlySpan<byte> payload = message.Payload;
        int error = message.Error(out string? reason);
        FuzzFind.Unless(error is >= 0 and <= 4095, $"An errno is one; this was {error}.");
        Link? link = Link.Parse(payload);
        FuzzFind.Unless(link is null || link.Mtu >= 0, "An MTU is no negative number.");
        LinkAddress? address = LinkAddress.Parse(payload);
        FuzzFind.Unless(address is null || (address.PrefixLength >= 0 && address.PrefixLength <= 8 * address.Address.GetAddressBytes().Length), "A prefix is no longer than its address.");
        Route? route = Route.Parse(payload);
        FuzzFind.Unless(route is null || route.Mtu >= 0, "An MTU is no negative number.");
        RouteAnswer? answer = RouteLookup.Parse(payload);
        FuzzFind.Unless(answer is null || answer.Mtu >= 0, "An MTU is no negative number.");
        Rule? rule = Rule.Parse(payload);
        NftSet? set = NftSet.Parse(payload);
        List<NftElement>? elements = NftSet.ParseElements(payload);
        NftChain? chain = Nftables.ParseChain(payload);
        NftRule? firewall = Nftables.ParseRule(payload);
        _ = XdpAttachment.Parse(payload);
        foreach (int skip in new[] { 4, 8, 12, 16 })
        {
            if (payload.Length >= skip)
            {
                Walk(payload[skip..], 0);
            }
        }

        return (link is null ? 0 : 1) | (address is null ? 0 : 2) | (route is null ? 0 : 4) | (answer is null ? 0 : 8) | (rule is null ? 0 : 16) | (set is null ? 0 : 32)
            | (elements is null ? 0 : 64) | (chain is null ? 0 : 128) | (firewall is null ? 0 : 256) | (reason is null ? 0 : 512);
    }

    private static void Walk(ReadOnlySpan<byte> bytes, int depth)
    {
        int at = 0;
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(bytes))
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);
            FuzzFind.Unless(length >= 4 && at + length <= bytes.Length, "An attribute lies within its bytes.");
            FuzzFind.Unless(attribute.Type == (BinaryPrimitives.ReadUInt16LittleEndian(bytes[(at + 2)..]) & 0x3FFF) && attribute.Payload.SequenceEqual(bytes.Slice(at + 4, length - 4)), "An attribute is what its header says.");
            if (depth < 3)
            {
                Walk(attribute.Payload, depth + 1);
            }

            at = Math.Min(bytes.Length, (at + length + 3) / 4 * 4);
        }

        bool rest = bytes.Length - at >= 4 && BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]) is var next && next >= 4 && next <= bytes.Length - at;
        FuzzFind.Unless(!rest, "A walk ends where nothing fits any more.");
    }

    private static List<(ushort Type, int Start, int Length)> Messages(byte[] bytes)
    {
        List<(ushort, int, int)> found = [];
        for (long at = 0; at + 16 <= bytes.Length;)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan((int)at));
            if (length < 16 || at + length > bytes.Length)
            {
                break;
            }

            found.Add((BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan((int)at + 4)), (int)at + 16, (int)length - 16));
            at += (length + 3) / 4 * 4;
        }

        return found;
    }

    private static byte[] WholeRoute(Draw draw)
    {
        bool four = draw.Next(2) == 0;
        byte[] to = new byte[four ? 4 : 16];
        draw.NextBytes(to);
        byte length = (byte)draw.Next((8 * to.Length) + 1);
        for (int bit = length; bit < 8 * to.Length; bit++)
        {
            to[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        byte[] gateway = new byte[to.Length];
        draw.NextBytes(gateway);
        int link = draw.Next(1, 1000);
        int mtu = draw.Next(576, 65536);
        NetlinkWriter writer = new(Rtnetlink.RTM_NEWROUTE, 0);
        writer.Struct(new Rtnetlink.Rtmsg { Family = four ? Rtnetlink.AF_INET : Rtnetlink.AF_INET6, DestinationLength = length, Table = 254, Type = Rtnetlink.RTN_UNICAST });
        writer.Attribute(Rtnetlink.RTA_DST, to).Attribute(Rtnetlink.RTA_OIF, (uint)link).Attribute(Rtnetlink.RTA_GATEWAY, gateway);
        int nest = writer.BeginNest(Rtnetlink.RTA_METRICS);
        writer.Attribute(Rtnetlink.RTAX_MTU, (uint)mtu).EndNest(nest);
        byte[] message = writer.Finish(1).ToArray();
        Route? route = Route.Parse(message.AsSpan(16));
        FuzzFind.Unless(
            route is not null && route.Destination.Equals(new IPNetwork(new IPAddress(to), length)) && route.LinkIndex == link && route.Mtu == mtu && Equals(route.Gateway, new IPAddress(gateway)),
            $"A whole route is read as it was made: {route}");
        RouteAnswer? answer = RouteLookup.Parse(message.AsSpan(16));
        FuzzFind.Unless(answer is { Kind: RouteKind.Unicast } && answer.LinkIndex == link && answer.Mtu == mtu && Equals(answer.Gateway, new IPAddress(gateway)), $"A whole answer is read as it was made: {answer}");
        return message;
    }

    private static byte[] WholeLink(Draw draw)
    {
        string name = $"tb{draw.Next(100_000)}";
        NetlinkWriter writer = new(draw.Next(4) == 0 ? Rtnetlink.RTM_DELLINK : Rtnetlink.RTM_NEWLINK, 0);
        writer.Struct(new Rtnetlink.Ifinfomsg { Index = 3, Flags = Rtnetlink.IFF_UP }).Attribute(Rtnetlink.IFLA_IFNAME, name).Attribute(Rtnetlink.IFLA_MTU, 1420).Attribute(Rtnetlink.IFLA_ADDRESS, [2, 0, 0, 0, 0, 1]);
        int nest = writer.BeginNest(Rtnetlink.IFLA_LINKINFO);
        writer.Attribute(Rtnetlink.IFLA_INFO_KIND, "tun").EndNest(nest);
        byte[] message = writer.Finish(1).ToArray();
        FuzzFind.Unless(Link.Parse(message.AsSpan(16)) == new Link(3, name, 1420, true, "tun"), "A whole link is read as it was made.");
        return message;
    }

    private static byte[] WholeAddress(Draw draw)
    {
        byte[] address = new byte[draw.Next(2) == 0 ? 4 : 16];
        draw.NextBytes(address);
        NetlinkWriter writer = new(Rtnetlink.RTM_NEWADDR, 0);
        writer.Struct(new Rtnetlink.Ifaddrmsg { Family = address.Length == 4 ? Rtnetlink.AF_INET : Rtnetlink.AF_INET6, PrefixLength = (byte)(4 * address.Length), Index = 7 });
        writer.Attribute(Rtnetlink.IFA_ADDRESS, address);
        byte[] message = writer.Finish(1).ToArray();
        FuzzFind.Unless(LinkAddress.Parse(message.AsSpan(16)) == new LinkAddress(7, new IPAddress(address), 4 * address.Length), "A whole address is read as it was made.");
        return message;
    }

    private static byte[] WholeRule(Draw draw)
    {
        uint mark = (uint)draw.Next(1, int.MaxValue);
        NetlinkWriter writer = new(Rtnetlink.RTM_NEWRULE, 0);
        writer.Struct(new Rtnetlink.Rtmsg { Family = Rtnetlink.AF_INET, Table = 7, Flags = Rtnetlink.FIB_RULE_INVERT });
        writer.Attribute(Rtnetlink.FRA_FWMARK, mark).Attribute(Rtnetlink.FRA_TABLE, 51820).Attribute(Rtnetlink.FRA_PRIORITY, 9);
        byte[] message = writer.Finish(1).ToArray();
        FuzzFind.Unless(Rule.Parse(message.AsSpan(16)) == new Rule(false, 51820, mark, true, null, 9), "A whole rule is read as it was made.");
        return message;
    }

    private static byte[] Error(Draw draw)
    {
        NetlinkWriter writer = new(draw.Next(2) == 0 ? Rtnetlink.NLMSG_ERROR : Rtnetlink.NLMSG_DONE, (ushort)(Rtnetlink.NLM_F_ACK_TLVS | (draw.Next(2) * Rtnetlink.NLM_F_CAPPED)));
        writer.Struct(-draw.Next(200)).Struct(default(Rtnetlink.Rtmsg)).Struct(draw.Next()).Attribute(Rtnetlink.NLMSGERR_ATTR_MSG, "no");
        return writer.Finish(1).ToArray();
    }

    private static byte[] Firewall(Draw draw)
    {
        NetlinkWriter writer = new((ushort)((10 << 8) | draw.Next(32)), 0);
        writer.Struct(new Nfnetlink.Nfgenmsg { Family = (byte)draw.Next(12) });
        for (int count = draw.Next(1, 6); count > 0; count--)
        {
            Nest(draw, writer, 0);
        }

        return writer.Finish(1).ToArray();
    }

    private static void Nest(Draw draw, NetlinkWriter writer, int depth)
    {
        ushort type = (ushort)draw.Next(1, 12);
        if (depth < 4 && draw.Next(2) == 0)
        {
            int nest = writer.BeginNest(type);
            for (int count = draw.Next(4); count > 0; count--)
            {
                Nest(draw, writer, depth + 1);
            }

            writer.EndNest(nest);
            return;
        }

        byte[] bytes = draw.Next(3) switch { 0 => Encoding.UTF8.GetBytes("filter\0"), 1 => new byte[draw.Next(20)], _ => new byte[4] };
        draw.NextBytes(bytes);
        writer.Attribute(type, bytes);
    }

    private static void Damage(Draw draw, ref byte[] message)
    {
        for (int count = draw.Next(1, 5); count > 0; count--)
        {
            switch (draw.Next(5))
            {
                case 0:
                    message = message[..draw.Next(message.Length + 1)];
                    break;
                case 1 when message.Length > 0:
                    message[draw.Next(message.Length)] = (byte)draw.Next(256);
                    break;
                case 2 when message.Length >= 20:
                    // A length, of which there are many at multiples of four.
                    BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(draw.Next(message.Length / 4) * 4), (ushort)(draw.Next(4) == 0 ? 0xFFFF : draw.Next(64)));
                    break;
                case 3 when message.Length > 16:
                    message[16] = draw.Next(4) switch { 0 => Rtnetlink.AF_UNSPEC, 1 => Rtnetlink.AF_INET, 2 => Rtnetlink.AF_INET6, _ => 255 };
                    break;
                default:
                    message = [.. message, .. new byte[draw.Next(5)]];
                    break;
            }
        }

        if (message.Length >= 16 && draw.Next(2) == 0)
        {
            BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        }
    }
}
