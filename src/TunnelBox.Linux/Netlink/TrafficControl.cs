using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Netlink;

/// <summary>Constants and structures of linux/pkt_sched.h, pkt_cls.h and the traffic control part of rtnetlink.h, by their names there.</summary>
internal static class TrafficControl
{
    public const ushort RTM_NEWQDISC = 36;
    public const ushort RTM_DELQDISC = 37;
    public const ushort RTM_NEWTFILTER = 44;
    public const ushort RTM_DELTFILTER = 45;
    public const ushort RTM_GETTFILTER = 46;

    /// <summary>TC_H_CLSACT: the queueing discipline's own parent; TC_H_INGRESS is the same number.</summary>
    public const uint TC_H_CLSACT = 0xFFFFFFF1;

    /// <summary>TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS): what filters on arrival hang on, below clsact and ingress alike.</summary>
    public const uint Ingress = 0xFFFFFFF2;

    public const ushort TCA_KIND = 1;
    public const ushort TCA_OPTIONS = 2;

    public const ushort TCA_U32_CLASSID = 1;
    public const ushort TCA_U32_HASH = 2;
    public const ushort TCA_U32_LINK = 3;
    public const ushort TCA_U32_DIVISOR = 4;
    public const ushort TCA_U32_SEL = 5;
    public const ushort TCA_U32_PCNT = 9;
    public const ushort TCA_U32_FLAGS = 11;
    public const byte TC_U32_TERMINAL = 1;
    public const byte TC_U32_OFFSET = 2;
    public const byte TC_U32_EAT = 8;

    public const ushort TCA_FLOWER_ACT = 3;
    public const ushort TCA_FLOWER_KEY_ETH_TYPE = 8;
    public const ushort TCA_FLOWER_KEY_IP_PROTO = 9;
    public const ushort TCA_FLOWER_KEY_IPV4_SRC = 10;
    public const ushort TCA_FLOWER_KEY_IPV4_SRC_MASK = 11;
    public const ushort TCA_FLOWER_KEY_IPV6_SRC = 14;
    public const ushort TCA_FLOWER_KEY_IPV6_SRC_MASK = 15;
    public const ushort TCA_FLOWER_KEY_UDP_SRC = 20;
    public const ushort TCA_FLOWER_KEY_UDP_DST = 21;
    public const ushort TCA_FLOWER_FLAGS = 22;
    public const ushort TCA_FLOWER_KEY_UDP_SRC_MASK = 37;
    public const ushort TCA_FLOWER_KEY_UDP_DST_MASK = 38;

    public const ushort TCA_ACT_KIND = 1;
    public const ushort TCA_ACT_OPTIONS = 2;
    public const ushort TCA_SKBEDIT_PARMS = 2;
    public const ushort TCA_SKBEDIT_QUEUE_MAPPING = 4;

    public const uint TCA_CLS_FLAGS_SKIP_HW = 1;
    public const uint TCA_CLS_FLAGS_SKIP_SW = 2;
    public const uint TCA_CLS_FLAGS_IN_HW = 4;

    public const ushort ETH_P_IP = 0x0800;
    public const ushort ETH_P_IPV6 = 0x86DD;

    /// <summary>Priority and protocol of a filter in one word: tcm_info.</summary>
    /// <param name="priority">The priority.</param>
    /// <param name="protocol">The EtherType.</param>
    /// <returns>The word.</returns>
    public static uint Info(ushort priority, ushort protocol) =>
        ((uint)priority << 16) | (BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(protocol) : protocol);

    /// <summary>struct tcmsg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Tcmsg
    {
        public byte Family;
        public byte Pad1;
        public ushort Pad2;
        public int Index;
        public uint Handle;
        public uint Parent;
        public uint Info;
    }

    /// <summary>struct tc_u32_sel, without its keys.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct U32Selector
    {
        public byte Flags;
        public byte OffsetShift;
        public byte Keys;
        public byte Pad;
        public ushort OffsetMask;
        public ushort Offset;
        public short OffsetAt;
        public short HashAt;
        public uint HashMask;
    }

    /// <summary>struct tc_u32_key: 32 bits at an offset, in network order.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct U32Key
    {
        public uint Mask;
        public uint Value;
        public int Offset;
        public int OffsetMask;
    }

    /// <summary>struct tc_skbedit: tc_gen of pkt_cls.h and nothing more.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct SkbEdit
    {
        public uint Index;
        public uint Capabilities;
        public int Action;
        public int References;
        public int Bindings;
    }
}
