using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>sys/prctl.h and linux/seccomp.h.</content>
public static partial class Definitions
{
    /// <summary>Whether the process may dump core, and be read and traced by others of its user.</summary>
    public const int PR_SET_DUMPABLE = 4;

    /// <summary>Sets the calling thread's system call filter.</summary>
    public const int PR_SET_SECCOMP = 22;

    /// <summary>exec can no longer raise privileges; asked for before a filter.</summary>
    public const int PR_SET_NO_NEW_PRIVS = 38;

    /// <summary>The filter is a BPF program.</summary>
    public const int SECCOMP_MODE_FILTER = 2;

    /// <summary>The system call runs.</summary>
    public const uint SECCOMP_RET_ALLOW = 0x7FFF0000;

    /// <summary>The system call fails with the error number in the low 16 bits.</summary>
    public const uint SECCOMP_RET_ERRNO = 0x00050000;
}

/// <summary>struct sock_filter of linux/filter.h: one classic BPF instruction.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct sock_filter
{
    /// <summary>Operation.</summary>
    public ushort code;

    /// <summary>Jump when true.</summary>
    public byte jt;

    /// <summary>Jump when false.</summary>
    public byte jf;

    /// <summary>Operand.</summary>
    public uint k;
}

/// <summary>struct sock_fprog of linux/filter.h: a classic BPF program.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct sock_fprog
{
    /// <summary>Instructions.</summary>
    public ushort len;

    /// <summary>The first one.</summary>
    public sock_filter* filter;
}

/// <content>sys/prctl.h.</content>
public static unsafe partial class LibC
{
    /// <summary>prctl(2).</summary>
    /// <param name="option">PR_*.</param>
    /// <param name="argument2">As the option says.</param>
    /// <param name="argument3">As the option says.</param>
    /// <returns>As the option says, or −errno.</returns>
    public static int prctl(int option, nuint argument2, nuint argument3) => Check(NativePrctl(option, argument2, argument3, 0, 0));

    [LibraryImport(Library, EntryPoint = "prctl", SetLastError = true)]
    private static partial int NativePrctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);
}
