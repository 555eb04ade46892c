namespace TunnelBox.Linux.Libc;

/// <content>linux/if_tun.h.</content>
public static partial class Definitions
{
    /// <summary>Creates an interface or attaches a queue to it (ifreq).</summary>
    public const nuint TUNSETIFF = 0x400454CA;

    /// <summary>Keeps the interface after the last descriptor.</summary>
    public const nuint TUNSETPERSIST = 0x400454CB;

    /// <summary>Reads the IFF_* this kernel knows.</summary>
    public const nuint TUNGETFEATURES = 0x800454CF;

    /// <summary>Sets the TUN_F_* that reads may carry.</summary>
    public const nuint TUNSETOFFLOAD = 0x400454D0;

    /// <summary>Reads name and flags (ifreq).</summary>
    public const nuint TUNGETIFF = 0x800454D2;

    /// <summary>Sets the limit of unsent bytes.</summary>
    public const nuint TUNSETSNDBUF = 0x400454D4;

    /// <summary>Reads the size of the virtio header.</summary>
    public const nuint TUNGETVNETHDRSZ = 0x800454D7;

    /// <summary>Sets the size of the virtio header.</summary>
    public const nuint TUNSETVNETHDRSZ = 0x400454D8;

    /// <summary>Has a BPF program choose the queue of each packet.</summary>
    public const nuint TUNSETSTEERINGEBPF = 0x800454E0;

    /// <summary>Opens the namespace the interface is in.</summary>
    public const nuint TUNGETDEVNETNS = 0x54E3;

    /// <summary>IP packets.</summary>
    public const int IFF_TUN = 0x0001;

    /// <summary>Ethernet frames.</summary>
    public const int IFF_TAP = 0x0002;

    /// <summary>Several queues.</summary>
    public const int IFF_MULTI_QUEUE = 0x0100;

    /// <summary>No four bytes of protocol in front.</summary>
    public const int IFF_NO_PI = 0x1000;

    /// <summary>A virtio header in front.</summary>
    public const int IFF_VNET_HDR = 0x4000;

    /// <summary>Fail when the interface exists.</summary>
    public const int IFF_TUN_EXCL = 0x8000;

    /// <summary>Checksums may be left to us.</summary>
    public const uint TUN_F_CSUM = 0x01;

    /// <summary>TCP over IPv4 may come unsegmented.</summary>
    public const uint TUN_F_TSO4 = 0x02;

    /// <summary>TCP over IPv6 may come unsegmented.</summary>
    public const uint TUN_F_TSO6 = 0x04;

    /// <summary>Unsegmented TCP may carry ECN bits.</summary>
    public const uint TUN_F_TSO_ECN = 0x08;

    /// <summary>UDP over IPv4 may come unsegmented (Linux 6.2).</summary>
    public const uint TUN_F_USO4 = 0x20;

    /// <summary>UDP over IPv6 may come unsegmented (Linux 6.2).</summary>
    public const uint TUN_F_USO6 = 0x40;
}
