using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace TunnelBox.Linux.Netlink;

/// <summary>A network interface.</summary>
/// <param name="Index">Its index.</param>
/// <param name="Name">Its name.</param>
/// <param name="Mtu">Its MTU in bytes.</param>
/// <param name="IsUp">Whether it is set up (IFF_UP).</param>
/// <param name="Kind">What kind of link it is ("tun", "veth", "wireguard"), or empty.</param>
public sealed record Link(int Index, string Name, int Mtu, bool IsUp, string Kind)
{
    /// <summary>Reads an RTM_NEWLINK.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The interface, or null where the message is cut short.</returns>
    public static Link? Parse(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Ifinfomsg header, out NetlinkAttributes attributes))
        {
            return null;
        }

        string name = string.Empty;
        string kind = string.Empty;
        uint mtu = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case Rtnetlink.IFLA_IFNAME:
                    name = attribute.Text;
                    break;
                case Rtnetlink.IFLA_MTU:
                    mtu = attribute.Number;
                    break;
                case Rtnetlink.IFLA_LINKINFO:
                    foreach (NetlinkAttribute info in new NetlinkAttributes(attribute.Payload))
                    {
                        kind = info.Type == Rtnetlink.IFLA_INFO_KIND ? info.Text : kind;
                    }

                    break;
            }
        }

        return new Link(header.Index, name, (int)Math.Min(mtu, int.MaxValue), (header.Flags & Rtnetlink.IFF_UP) != 0, kind);
    }
}

/// <summary>An address of an interface.</summary>
/// <param name="LinkIndex">The interface.</param>
/// <param name="Address">The address.</param>
/// <param name="PrefixLength">Bits of its network.</param>
public sealed record LinkAddress(int LinkIndex, IPAddress Address, int PrefixLength)
{
    /// <summary>Reads an RTM_NEWADDR.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The address, or null where the message is cut short or of another family.</returns>
    public static LinkAddress? Parse(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Ifaddrmsg header, out NetlinkAttributes attributes)
            || header.PrefixLength > 8 * IpBytes.Size(header.Family))
        {
            return null;
        }

        IPAddress? local = null;
        IPAddress? address = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == Rtnetlink.IFA_LOCAL)
            {
                local = IpBytes.Read(header.Family, attribute.Payload);
            }
            else if (attribute.Type == Rtnetlink.IFA_ADDRESS)
            {
                address = IpBytes.Read(header.Family, attribute.Payload);
            }
        }

        // With a peer address, IFA_ADDRESS is the other end; IFA_LOCAL is always ours.
        return (local ?? address) is { } ours ? new LinkAddress(header.Index, ours, header.PrefixLength) : null;
    }
}

/// <summary>A route.</summary>
/// <param name="Destination">Where to.</param>
/// <param name="LinkIndex">The interface, or 0.</param>
/// <param name="Table">The table.</param>
/// <param name="Gateway">The next hop, or null.</param>
/// <param name="Mtu">The route's own MTU in bytes, or 0.</param>
/// <param name="Priority">The metric, 0 for none.</param>
public sealed record Route(IPNetwork Destination, int LinkIndex, uint Table, IPAddress? Gateway = null, int Mtu = 0, uint Priority = 0)
{
    /// <summary>The main table.</summary>
    public const uint MainTable = Rtnetlink.RT_TABLE_MAIN;

    /// <summary>The table of this machine's own addresses, which the kernel looks into first.</summary>
    public const uint LocalTable = Rtnetlink.RT_TABLE_LOCAL;

    /// <summary>Reads an RTM_NEWROUTE.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The route, or null where the message is cut short, of another family, or a cached copy.</returns>
    public static Route? Parse(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Rtmsg header, out NetlinkAttributes attributes)
            || IpBytes.Size(header.Family) is not (> 0 and { } size) || header.DestinationLength > 8 * size)
        {
            return null;
        }

        IPAddress? destination = IpBytes.Read(header.Family, stackalloc byte[16]);
        uint table = header.Table;
        uint priority = 0;
        int link = 0;
        int mtu = 0;
        IPAddress? gateway = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case Rtnetlink.RTA_DST:
                    destination = IpBytes.Read(header.Family, attribute.Payload);
                    break;
                case Rtnetlink.RTA_OIF:
                    link = (int)attribute.Number;
                    break;
                case Rtnetlink.RTA_TABLE:
                    table = attribute.Number;
                    break;
                case Rtnetlink.RTA_GATEWAY:
                    gateway = IpBytes.Read(header.Family, attribute.Payload);
                    break;
                case Rtnetlink.RTA_PRIORITY:
                    priority = attribute.Number;
                    break;
                case Rtnetlink.RTA_METRICS:
                    foreach (NetlinkAttribute metric in new NetlinkAttributes(attribute.Payload))
                    {
                        mtu = metric.Type == Rtnetlink.RTAX_MTU ? (int)Math.Min(metric.Number, int.MaxValue) : mtu;
                    }

                    break;
            }
        }

        return destination is null
            ? null
            : new Route(IpBytes.Network(destination, header.DestinationLength), link, table, gateway, mtu, priority);
    }
}

/// <summary>A routing rule: which packets look into which table.</summary>
/// <param name="IsIPv6">The family.</param>
/// <param name="Table">The table.</param>
/// <param name="Mark">The firewall mark, or null for any.</param>
/// <param name="Invert">Whether the rule is for packets that do not match (<c>not</c>).</param>
/// <param name="SuppressPrefixLength">Routes of at most this length do not count; null for none.</param>
/// <param name="Priority">The priority; null lets the kernel choose.</param>
public sealed record Rule(bool IsIPv6, uint Table, uint? Mark = null, bool Invert = false, uint? SuppressPrefixLength = null, uint? Priority = null)
{
    /// <summary>Reads an RTM_NEWRULE.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <returns>The rule, or null where the message is cut short or of another family.</returns>
    public static Rule? Parse(ReadOnlySpan<byte> payload)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Rtmsg header, out NetlinkAttributes attributes) || IpBytes.Size(header.Family) == 0)
        {
            return null;
        }

        Rule rule = new(header.Family == Rtnetlink.AF_INET6, header.Table, Invert: (header.Flags & Rtnetlink.FIB_RULE_INVERT) != 0, Priority: 0);
        foreach (NetlinkAttribute attribute in attributes)
        {
            rule = attribute.Type switch
            {
                Rtnetlink.FRA_TABLE => rule with { Table = attribute.Number },
                Rtnetlink.FRA_FWMARK => rule with { Mark = attribute.Number },
                Rtnetlink.FRA_PRIORITY => rule with { Priority = attribute.Number },
                Rtnetlink.FRA_SUPPRESS_PREFIXLEN when attribute.Number != uint.MaxValue => rule with { SuppressPrefixLength = attribute.Number },
                _ => rule,
            };
        }

        return rule;
    }
}

/// <summary>Addresses between the framework's type and netlink's bytes.</summary>
internal static class IpBytes
{
    public static byte Family(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? Rtnetlink.AF_INET6 : Rtnetlink.AF_INET;

    public static int Size(byte family) => family switch
    {
        Rtnetlink.AF_INET => 4,
        Rtnetlink.AF_INET6 => 16,
        _ => 0,
    };

    public static IPAddress? Read(byte family, ReadOnlySpan<byte> bytes)
    {
        int size = Size(family);
        return size > 0 && bytes.Length >= size ? new IPAddress(bytes[..size]) : null;
    }

    public static IPNetwork Network(IPAddress address, int length)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int size);
        UInt128 bits = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        UInt128 mask = length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length);
        BinaryPrimitives.WriteUInt128BigEndian(bytes, bits & mask);
        return new IPNetwork(new IPAddress(bytes[..size]), length);
    }
}
