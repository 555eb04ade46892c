using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>sched.h.</content>
public static partial class Definitions
{
    /// <summary>The network namespace.</summary>
    public const int CLONE_NEWNET = 0x40000000;
}

/// <content>sched.h.</content>
public static unsafe partial class LibC
{
    /// <summary>setns(2): moves the calling thread, and what it creates from now on, into a namespace.</summary>
    /// <param name="fd">An open namespace file.</param>
    /// <param name="type">CLONE_NEW*.</param>
    /// <returns>0, or −errno.</returns>
    public static int setns(int fd, int type) => Check(NativeSetns(fd, type));

    /// <summary>unshare(2): gives the calling thread a namespace of its own.</summary>
    /// <param name="flags">CLONE_NEW*.</param>
    /// <returns>0, or −errno.</returns>
    public static int unshare(int flags) => Check(NativeUnshare(flags));

    /// <summary>sched_setaffinity(2): the processors that a thread may run on.</summary>
    /// <param name="thread">The thread's id; 0 for the calling one.</param>
    /// <param name="size">Bytes of the mask.</param>
    /// <param name="mask">A bit a processor.</param>
    /// <returns>0, or −errno.</returns>
    public static int sched_setaffinity(int thread, nuint size, ulong* mask) => Check(NativeSetAffinity(thread, size, mask));

    /// <summary>sched_getaffinity(2): the processors that a thread may run on.</summary>
    /// <param name="thread">The thread's id; 0 for the calling one.</param>
    /// <param name="size">Bytes of the mask; EINVAL where the kernel's is longer.</param>
    /// <param name="mask">Takes a bit a processor.</param>
    /// <returns>0, or −errno.</returns>
    public static int sched_getaffinity(int thread, nuint size, ulong* mask) => Check(NativeGetAffinity(thread, size, mask));

    [LibraryImport(Library, EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int NativeSetAffinity(int thread, nuint size, ulong* mask);

    [LibraryImport(Library, EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static partial int NativeGetAffinity(int thread, nuint size, ulong* mask);

    [LibraryImport(Library, EntryPoint = "setns", SetLastError = true)]
    private static partial int NativeSetns(int fd, int type);

    [LibraryImport(Library, EntryPoint = "unshare", SetLastError = true)]
    private static partial int NativeUnshare(int flags);
}
