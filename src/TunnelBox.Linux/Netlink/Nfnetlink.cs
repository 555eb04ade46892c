using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Netlink;

/// <summary>Constants and structures of linux/netfilter/nfnetlink.h and nf_tables.h, by their names there.</summary>
internal static class Nfnetlink
{
    public const ushort NFNL_MSG_BATCH_BEGIN = 0x10;
    public const ushort NFNL_MSG_BATCH_END = 0x11;
    public const ushort NFNL_SUBSYS_NFTABLES = 10;

    public const ushort NFT_MSG_NEWTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 0;
    public const ushort NFT_MSG_GETTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 1;
    public const ushort NFT_MSG_DELTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 2;
    public const ushort NFT_MSG_NEWCHAIN = (NFNL_SUBSYS_NFTABLES << 8) | 3;
    public const ushort NFT_MSG_GETCHAIN = (NFNL_SUBSYS_NFTABLES << 8) | 4;
    public const ushort NFT_MSG_NEWRULE = (NFNL_SUBSYS_NFTABLES << 8) | 6;
    public const ushort NFT_MSG_GETRULE = (NFNL_SUBSYS_NFTABLES << 8) | 7;

    public const ushort NFT_MSG_GETSET = (NFNL_SUBSYS_NFTABLES << 8) | 10;
    public const ushort NFT_MSG_GETSETELEM = (NFNL_SUBSYS_NFTABLES << 8) | 13;

    public const ushort NLM_F_APPEND = 0x800;
    public const ushort NLA_F_NESTED = 0x8000;

    public const ushort NFTA_TABLE_NAME = 1;
    public const ushort NFTA_CHAIN_TABLE = 1;
    public const ushort NFTA_CHAIN_NAME = 3;
    public const ushort NFTA_CHAIN_HOOK = 4;
    public const ushort NFTA_CHAIN_POLICY = 5;
    public const ushort NFTA_CHAIN_TYPE = 7;
    public const ushort NFTA_HOOK_HOOKNUM = 1;
    public const ushort NFTA_HOOK_PRIORITY = 2;
    public const ushort NFTA_RULE_TABLE = 1;
    public const ushort NFTA_RULE_CHAIN = 2;
    public const ushort NFTA_RULE_HANDLE = 3;
    public const ushort NFTA_RULE_EXPRESSIONS = 4;
    public const ushort NFTA_SET_TABLE = 1;
    public const ushort NFTA_SET_NAME = 2;
    public const ushort NFTA_SET_FLAGS = 3;
    public const ushort NFTA_SET_ELEM_LIST_TABLE = 1;
    public const ushort NFTA_SET_ELEM_LIST_SET = 2;
    public const ushort NFTA_SET_ELEM_LIST_ELEMENTS = 3;
    public const ushort NFTA_SET_ELEM_KEY = 1;
    public const ushort NFTA_SET_ELEM_DATA = 2;
    public const ushort NFTA_SET_ELEM_FLAGS = 3;
    public const ushort NFTA_SET_ELEM_KEY_END = 10;
    public const ushort NFTA_LIST_ELEM = 1;
    public const ushort NFTA_EXPR_NAME = 1;
    public const ushort NFTA_EXPR_DATA = 2;
    public const ushort NFTA_DATA_VALUE = 1;
    public const ushort NFTA_DATA_VERDICT = 2;
    public const ushort NFTA_VERDICT_CODE = 1;

    public const ushort NFTA_META_DREG = 1;
    public const ushort NFTA_META_KEY = 2;
    public const ushort NFTA_META_SREG = 3;
    public const ushort NFTA_CT_DREG = 1;
    public const ushort NFTA_CT_KEY = 2;
    public const ushort NFTA_CT_SREG = 4;
    public const ushort NFTA_CMP_SREG = 1;
    public const ushort NFTA_CMP_OP = 2;
    public const ushort NFTA_CMP_DATA = 3;
    public const ushort NFTA_PAYLOAD_DREG = 1;
    public const ushort NFTA_PAYLOAD_BASE = 2;
    public const ushort NFTA_PAYLOAD_OFFSET = 3;
    public const ushort NFTA_PAYLOAD_LEN = 4;
    public const ushort NFTA_FIB_DREG = 1;
    public const ushort NFTA_FIB_RESULT = 2;
    public const ushort NFTA_FIB_FLAGS = 3;
    public const ushort NFTA_LOOKUP_SET = 1;
    public const ushort NFTA_LOOKUP_SREG = 2;
    public const ushort NFTA_LOOKUP_DREG = 3;
    public const ushort NFTA_LOOKUP_FLAGS = 5;
    public const ushort NFTA_BITWISE_SREG = 1;
    public const ushort NFTA_BITWISE_DREG = 2;
    public const ushort NFTA_BITWISE_LEN = 3;
    public const ushort NFTA_BITWISE_MASK = 4;
    public const ushort NFTA_BITWISE_XOR = 5;
    public const ushort NFTA_IMMEDIATE_DREG = 1;
    public const ushort NFTA_IMMEDIATE_DATA = 2;

    public const uint NFT_REG_VERDICT = 0;
    public const uint NFT_REG_1 = 1;
    public const uint NFT_CMP_EQ = 0;
    public const uint NFT_CMP_NEQ = 1;
    public const uint NFT_META_MARK = 3;
    public const uint NFT_META_IIFNAME = 6;
    public const uint NFT_META_OIFNAME = 7;
    public const uint NFT_META_L4PROTO = 16;
    public const uint NFT_CT_MARK = 3;
    public const uint NFT_PAYLOAD_NETWORK_HEADER = 1;
    public const uint NFT_PAYLOAD_TRANSPORT_HEADER = 2;
    public const uint NFT_FIB_RESULT_ADDRTYPE = 3;
    public const uint NFTA_FIB_F_SADDR = 1;
    public const uint NFT_SET_INTERVAL = 4;
    public const uint NFT_SET_ELEM_INTERVAL_END = 1;
    public const uint NFT_SET_ELEM_CATCHALL = 2;
    public const uint NFT_LOOKUP_F_INV = 1;
    public const uint NF_DROP = 0;
    public const uint NF_ACCEPT = 1;
    public const int IFNAMSIZ = 16;

    /// <summary>struct nfgenmsg; the last field is in network order.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Nfgenmsg
    {
        public byte Family;
        public byte Version;
        public ushort ResourceId;
    }
}
