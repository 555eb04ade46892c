using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>linux/mempolicy.h.</content>
public static partial class Definitions
{
    /// <summary>Pages from this node as long as it has some, then from others.</summary>
    public const int MPOL_PREFERRED = 1;
}

/// <content>linux/mempolicy.h; the C library has no function for it, so the call goes by its number.</content>
public static unsafe partial class LibC
{
    private static readonly nint s_mbind = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 235 : 237;

    /// <summary>mbind(2): from where pages come that are touched for the first time later.</summary>
    /// <param name="address">Page-aligned.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="mode">MPOL_*.</param>
    /// <param name="node">The node, 0 to 1,023.</param>
    /// <returns>0, or −errno: EINVAL for a node that is not there, ENOSYS without NUMA.</returns>
    public static int mbind(void* address, nuint length, int mode, int node)
    {
        ulong* nodes = stackalloc ulong[16];
        new Span<ulong>(nodes, 16).Clear();
        nodes[(node & 1023) / 64] = 1UL << (node % 64);

        // The kernel reads one bit less than it is told.
        return Check((int)NativeCall(s_mbind, (nint)address, (nint)length, mode, (nint)nodes, 1025, 0));
    }

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint NativeCall(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);
}
