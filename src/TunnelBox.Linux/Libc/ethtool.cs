using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>linux/ethtool.h.</content>
public static partial class Definitions
{
    /// <summary>The request that carries an ethtool command in ifr_data.</summary>
    public const int SIOCETHTOOL = 0x8946;

    /// <summary>Reads how many steering rules there are, and room for how many.</summary>
    public const uint ETHTOOL_GRXCLSRLCNT = 0x2e;

    /// <summary>Reads one steering rule.</summary>
    public const uint ETHTOOL_GRXCLSRULE = 0x2f;

    /// <summary>Reads where all steering rules stand.</summary>
    public const uint ETHTOOL_GRXCLSRLALL = 0x30;

    /// <summary>Removes a steering rule.</summary>
    public const uint ETHTOOL_SRXCLSRLDEL = 0x31;

    /// <summary>Sets a steering rule.</summary>
    public const uint ETHTOOL_SRXCLSRLINS = 0x32;

    /// <summary>Sets the indirection table of an RSS context.</summary>
    public const uint ETHTOOL_SRSSH = 0x47;

    /// <summary>The context that is to be made, or of which all is to be removed.</summary>
    public const uint ETH_RXFH_CONTEXT_ALLOC = 0xffffffff;

    /// <summary>An indirection table size that removes the context.</summary>
    public const uint ETH_RXFH_INDIR_NO_CHANGE = 0xffffffff;

    /// <summary>UDP over IPv4.</summary>
    public const uint UDP_V4_FLOW = 0x02;

    /// <summary>UDP over IPv6.</summary>
    public const uint UDP_V6_FLOW = 0x06;

    /// <summary>The rule leads to an RSS context, not to a queue.</summary>
    public const uint FLOW_RSS = 0x20000000;

    /// <summary>The driver chooses where a rule stands.</summary>
    public const uint RX_CLS_LOC_SPECIAL = 0x80000000;

    /// <summary>Any place.</summary>
    public const uint RX_CLS_LOC_ANY = 0xffffffff;
}

/// <summary>struct ethtool_rx_flow_spec: what matches, and where it leads.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct ethtool_rx_flow_spec
{
    /// <summary>UDP_V4_FLOW and so on.</summary>
    public uint flow_type;

    /// <summary>The values that are compared.</summary>
    public fixed byte h_u[52];

    /// <summary>More of them.</summary>
    public fixed byte h_ext[20];

    /// <summary>The bits of them that count.</summary>
    public fixed byte m_u[52];

    /// <summary>More of them.</summary>
    public fixed byte m_ext[20];

    /// <summary>The receive queue, or all ones to discard.</summary>
    public ulong ring_cookie;

    /// <summary>Where the rule stands.</summary>
    public uint location;
}

/// <summary>struct ethtool_rxnfc, without the places behind it.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct ethtool_rxnfc
{
    /// <summary>The command.</summary>
    public uint cmd;

    /// <summary>The flow type, of commands about hashing.</summary>
    public uint flow_type;

    /// <summary>Room for rules, with RX_CLS_LOC_SPECIAL.</summary>
    public ulong data;

    /// <summary>The rule.</summary>
    public ethtool_rx_flow_spec fs;

    /// <summary>How many rules; of a rule with FLOW_RSS its context.</summary>
    public uint rule_cnt;
}

/// <summary>struct ethtool_rxfh, without the table behind it.</summary>
[StructLayout(LayoutKind.Sequential, Size = 24)]
public struct ethtool_rxfh
{
    /// <summary>The command.</summary>
    public uint cmd;

    /// <summary>The context; 0 is that of all other packets.</summary>
    public uint rss_context;

    /// <summary>Entries of the indirection table.</summary>
    public uint indir_size;

    /// <summary>Bytes of the hash's key.</summary>
    public uint key_size;

    /// <summary>The hash; 0 leaves it.</summary>
    public byte hfunc;
}
