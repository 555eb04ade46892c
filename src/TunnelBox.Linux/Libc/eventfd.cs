using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>sys/eventfd.h.</content>
public static partial class Definitions
{
    /// <summary>Closed by exec.</summary>
    public const int EFD_CLOEXEC = 0x80000;

    /// <summary>Calls return EAGAIN instead of waiting.</summary>
    public const int EFD_NONBLOCK = 0x800;

    /// <summary>A read takes one.</summary>
    public const int EFD_SEMAPHORE = 1;
}

/// <content>sys/eventfd.h.</content>
public static unsafe partial class LibC
{
    /// <summary>eventfd(2).</summary>
    /// <param name="initial">First value.</param>
    /// <param name="flags">EFD_*.</param>
    /// <returns>A descriptor, or −errno.</returns>
    public static int eventfd(uint initial, int flags) => Check(NativeEventfd(initial, flags));

    [LibraryImport(Library, EntryPoint = "eventfd", SetLastError = true)]
    private static partial int NativeEventfd(uint initial, int flags);
}
