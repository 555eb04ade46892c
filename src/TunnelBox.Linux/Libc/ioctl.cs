using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>sys/ioctl.h.</content>
public static unsafe partial class LibC
{
    /// <summary>ioctl(2) with a pointer.</summary>
    /// <param name="fd">Descriptor.</param>
    /// <param name="request">The request number.</param>
    /// <param name="argument">What it reads or fills.</param>
    /// <returns>As the request says, or −errno.</returns>
    public static int ioctl(int fd, nuint request, void* argument) => Check(NativeIoctl(fd, request, (nint)argument));

    /// <summary>ioctl(2) with a number in place of the pointer.</summary>
    /// <param name="fd">Descriptor.</param>
    /// <param name="request">The request number.</param>
    /// <param name="argument">The number.</param>
    /// <returns>As the request says, or −errno.</returns>
    public static int ioctl(int fd, nuint request, nint argument) => Check(NativeIoctl(fd, request, argument));

    // Variadic in C; on x86-64 and arm64 Linux the fixed form is called the same way.
    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    private static partial int NativeIoctl(int fd, nuint request, nint argument);
}
