using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>net/if.h and linux/sockios.h.</content>
public static partial class Definitions
{
    /// <summary>Bytes of an interface name with its final zero.</summary>
    public const int IFNAMSIZ = 16;

    /// <summary>The interface is up.</summary>
    public const short IFF_UP = 1;

    /// <summary>The interface has a carrier.</summary>
    public const short IFF_RUNNING = 0x40;

    /// <summary>Reads an interface's flags.</summary>
    public const int SIOCGIFFLAGS = 0x8913;

    /// <summary>Sets an interface's flags.</summary>
    public const int SIOCSIFFLAGS = 0x8914;

    /// <summary>Reads an interface's MTU.</summary>
    public const int SIOCGIFMTU = 0x8921;

    /// <summary>Sets an interface's MTU.</summary>
    public const int SIOCSIFMTU = 0x8922;

    /// <summary>Reads an interface's index.</summary>
    public const int SIOCGIFINDEX = 0x8933;
}

/// <summary>struct ifreq of net/if.h: a name, and a union of what one request reads or sets.</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
public unsafe struct ifreq
{
    /// <summary>Zero-terminated interface name.</summary>
    [FieldOffset(0)]
    public fixed byte ifr_name[Definitions.IFNAMSIZ];

    /// <summary>Flags.</summary>
    [FieldOffset(16)]
    public short ifr_flags;

    /// <summary>Interface index.</summary>
    [FieldOffset(16)]
    public int ifr_ifindex;

    /// <summary>MTU in bytes.</summary>
    [FieldOffset(16)]
    public int ifr_mtu;

    /// <summary>Where the rest of a request stands.</summary>
    [FieldOffset(16)]
    public nint ifr_data;
}

/// <content>net/if.h.</content>
public static unsafe partial class LibC
{
    /// <summary>if_nametoindex(3).</summary>
    /// <param name="name">Zero-terminated name.</param>
    /// <returns>The index; 0 when there is no such interface.</returns>
    public static uint if_nametoindex(byte* name) => NativeIfNameToIndex(name);

    [LibraryImport(Library, EntryPoint = "if_nametoindex", SetLastError = true)]
    private static partial uint NativeIfNameToIndex(byte* name);
}
