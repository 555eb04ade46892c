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

    [LibraryImport(Library, EntryPoint = "setns", SetLastError = true)]
    private static partial int NativeSetns(int fd, int type);

    [LibraryImport(Library, EntryPoint = "unshare", SetLastError = true)]
    private static partial int NativeUnshare(int flags);
}
