using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace TunnelBox.Linux.Netlink;

/// <summary>
/// One rule of an nftables chain as the kernel wants it: expressions that load a register, compare it, or act (nft(8),
/// nf_tables.h). The words are those of nft, so that <c>nft list ruleset</c> prints a rule as it would be typed.
/// </summary>
public sealed class NftablesRule
{
    private readonly List<Action<NetlinkWriter>> _expressions = [];

    /// <summary><c>iifname != "NAME"</c>: the packet came in through another interface.</summary>
    /// <param name="name">The interface's name, at most 15 bytes.</param>
    /// <returns>This rule.</returns>
    public NftablesRule FromOtherLink(string name) => Meta(Nfnetlink.NFT_META_IIFNAME).Compare(Nfnetlink.NFT_CMP_NEQ, Padded(name));

    /// <summary><c>iifname "NAME"</c>: the packet came in through an interface.</summary>
    /// <param name="name">The interface's name, at most 15 bytes.</param>
    /// <returns>This rule.</returns>
    public NftablesRule FromLink(string name) => Meta(Nfnetlink.NFT_META_IIFNAME).Compare(Nfnetlink.NFT_CMP_EQ, Padded(name));

    /// <summary><c>oifname "NAME"</c>: the packet goes out through an interface.</summary>
    /// <param name="name">The interface's name, at most 15 bytes.</param>
    /// <returns>This rule.</returns>
    public NftablesRule ToLink(string name) => Meta(Nfnetlink.NFT_META_OIFNAME).Compare(Nfnetlink.NFT_CMP_EQ, Padded(name));

    /// <summary><c>ip daddr NETWORK</c> or <c>ip6 daddr NETWORK</c>: the packet is for a network.</summary>
    /// <param name="network">The network, of the table's family; one of length 0 is every packet.</param>
    /// <returns>This rule.</returns>
    public NftablesRule To(IPNetwork network)
    {
        if (network.PrefixLength == 0)
        {
            return this;
        }

        byte[] bytes = network.BaseAddress.GetAddressBytes();
        byte[] mask = new byte[bytes.Length];
        for (int bit = 0; bit < network.PrefixLength; bit++)
        {
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        }

        Payload(Nfnetlink.NFT_PAYLOAD_NETWORK_HEADER, bytes.Length == 4 ? 16u : 24u, (uint)bytes.Length);
        if (network.PrefixLength < 8 * bytes.Length)
        {
            Add("bitwise", writer =>
            {
                Number(writer, Nfnetlink.NFTA_BITWISE_SREG, Nfnetlink.NFT_REG_1)
                    .Attribute(Nfnetlink.NFTA_BITWISE_DREG, Big(Nfnetlink.NFT_REG_1))
                    .Attribute(Nfnetlink.NFTA_BITWISE_LEN, Big((uint)mask.Length));
                int data = writer.BeginNest(Nfnetlink.NFTA_BITWISE_MASK | Nfnetlink.NLA_F_NESTED);
                writer.Attribute(Nfnetlink.NFTA_DATA_VALUE, mask).EndNest(data);
                data = writer.BeginNest(Nfnetlink.NFTA_BITWISE_XOR | Nfnetlink.NLA_F_NESTED);
                writer.Attribute(Nfnetlink.NFTA_DATA_VALUE, new byte[mask.Length]).EndNest(data);
            });
        }

        return Compare(Nfnetlink.NFT_CMP_EQ, bytes);
    }

    /// <summary><c>icmpv6 type NUMBER</c>: the packet is an ICMPv6 message of a type.</summary>
    /// <param name="type">The type (RFC 4861: 133 to 137 find routers and neighbours).</param>
    /// <returns>This rule.</returns>
    public NftablesRule IcmpV6Type(byte type) => Transport(58).Payload(Nfnetlink.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1).Compare(Nfnetlink.NFT_CMP_EQ, [type]);

    /// <summary><c>ip daddr ADDRESS</c> or <c>ip6 daddr ADDRESS</c>: the packet is for an address.</summary>
    /// <param name="address">The address, of the table's family.</param>
    /// <returns>This rule.</returns>
    public NftablesRule To(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        byte[] bytes = address.GetAddressBytes();
        return Payload(Nfnetlink.NFT_PAYLOAD_NETWORK_HEADER, bytes.Length == 4 ? 16u : 24u, (uint)bytes.Length).Compare(Nfnetlink.NFT_CMP_EQ, bytes);
    }

    /// <summary><c>fib saddr type != local</c>: the packet's source is none of this host's addresses.</summary>
    /// <returns>This rule.</returns>
    public NftablesRule SourceIsNotLocal() => Add("fib", writer => Number(writer, Nfnetlink.NFTA_FIB_FLAGS, Nfnetlink.NFTA_FIB_F_SADDR)
            .Attribute(Nfnetlink.NFTA_FIB_RESULT, Big(Nfnetlink.NFT_FIB_RESULT_ADDRTYPE))
            .Attribute(Nfnetlink.NFTA_FIB_DREG, Big(Nfnetlink.NFT_REG_1)))
        .Compare(Nfnetlink.NFT_CMP_NEQ, Host(Rtnetlink.RTN_LOCAL));

    /// <summary><c>meta l4proto NUMBER</c>: the packet is of a transport.</summary>
    /// <param name="protocol">Its IP protocol number; 17 is UDP.</param>
    /// <returns>This rule.</returns>
    public NftablesRule Transport(byte protocol) => Meta(Nfnetlink.NFT_META_L4PROTO).Compare(Nfnetlink.NFT_CMP_EQ, [protocol]);

    /// <summary><c>meta mark NUMBER</c>: the packet has a firewall mark.</summary>
    /// <param name="mark">The mark.</param>
    /// <returns>This rule.</returns>
    public NftablesRule Marked(uint mark) => Meta(Nfnetlink.NFT_META_MARK).Compare(Nfnetlink.NFT_CMP_EQ, Host(mark));

    /// <summary><c>ct mark set mark</c>: the packet's mark becomes its connection's.</summary>
    /// <returns>This rule.</returns>
    public NftablesRule SaveMark() => Meta(Nfnetlink.NFT_META_MARK).Add("ct", writer => Number(writer, Nfnetlink.NFTA_CT_KEY, Nfnetlink.NFT_CT_MARK)
        .Attribute(Nfnetlink.NFTA_CT_SREG, Big(Nfnetlink.NFT_REG_1)));

    /// <summary><c>meta mark set ct mark</c>: the connection's mark becomes the packet's.</summary>
    /// <returns>This rule.</returns>
    public NftablesRule RestoreMark() => Add("ct", writer => Number(writer, Nfnetlink.NFTA_CT_KEY, Nfnetlink.NFT_CT_MARK)
            .Attribute(Nfnetlink.NFTA_CT_DREG, Big(Nfnetlink.NFT_REG_1)))
        .Add("meta", writer => Number(writer, Nfnetlink.NFTA_META_KEY, Nfnetlink.NFT_META_MARK)
            .Attribute(Nfnetlink.NFTA_META_SREG, Big(Nfnetlink.NFT_REG_1)));

    /// <summary><c>drop</c>.</summary>
    /// <returns>This rule.</returns>
    public NftablesRule Drop() => Decide(Nfnetlink.NF_DROP);

    /// <summary><c>accept</c>.</summary>
    /// <returns>This rule.</returns>
    public NftablesRule Accept() => Decide(Nfnetlink.NF_ACCEPT);

    internal static byte[] Big(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    internal void Write(NetlinkWriter writer) => _expressions.ForEach(expression => expression(writer));

    private static byte[] Host(uint value) => MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)).ToArray();

    private static NetlinkWriter Number(NetlinkWriter writer, ushort type, uint value) => writer.Attribute(type, Big(value));

    private static byte[] Padded(string name)
    {
        byte[] padded = new byte[Nfnetlink.IFNAMSIZ];
        Encoding.UTF8.GetBytes(name, padded);
        return padded;
    }

    private NftablesRule Payload(uint from, uint offset, uint length) => Add("payload", writer => Number(writer, Nfnetlink.NFTA_PAYLOAD_DREG, Nfnetlink.NFT_REG_1)
        .Attribute(Nfnetlink.NFTA_PAYLOAD_BASE, Big(from))
        .Attribute(Nfnetlink.NFTA_PAYLOAD_OFFSET, Big(offset))
        .Attribute(Nfnetlink.NFTA_PAYLOAD_LEN, Big(length)));

    private NftablesRule Decide(uint code) => Add("immediate", writer =>
    {
        Number(writer, Nfnetlink.NFTA_IMMEDIATE_DREG, Nfnetlink.NFT_REG_VERDICT);
        int data = writer.BeginNest(Nfnetlink.NFTA_IMMEDIATE_DATA | Nfnetlink.NLA_F_NESTED);
        int verdict = writer.BeginNest(Nfnetlink.NFTA_DATA_VERDICT | Nfnetlink.NLA_F_NESTED);
        Number(writer, Nfnetlink.NFTA_VERDICT_CODE, code);
        writer.EndNest(verdict);
        writer.EndNest(data);
    });

    private NftablesRule Meta(uint key) => Add("meta", writer => Number(writer, Nfnetlink.NFTA_META_KEY, key)
        .Attribute(Nfnetlink.NFTA_META_DREG, Big(Nfnetlink.NFT_REG_1)));

    private NftablesRule Compare(uint operation, byte[] with) => Add("cmp", writer =>
    {
        Number(writer, Nfnetlink.NFTA_CMP_SREG, Nfnetlink.NFT_REG_1).Attribute(Nfnetlink.NFTA_CMP_OP, Big(operation));
        int data = writer.BeginNest(Nfnetlink.NFTA_CMP_DATA | Nfnetlink.NLA_F_NESTED);
        writer.Attribute(Nfnetlink.NFTA_DATA_VALUE, with).EndNest(data);
    });

    private NftablesRule Add(string name, Action<NetlinkWriter> data)
    {
        _expressions.Add(writer =>
        {
            int element = writer.BeginNest(Nfnetlink.NFTA_LIST_ELEM | Nfnetlink.NLA_F_NESTED);
            writer.Attribute(Nfnetlink.NFTA_EXPR_NAME, name);
            int nest = writer.BeginNest(Nfnetlink.NFTA_EXPR_DATA | Nfnetlink.NLA_F_NESTED);
            data(writer);
            writer.EndNest(nest);
            writer.EndNest(element);
        });
        return this;
    }
}
