using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <summary>struct iovec of sys/uio.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct iovec
{
    /// <summary>First byte.</summary>
    public void* iov_base;

    /// <summary>Bytes.</summary>
    public nuint iov_len;
}

/// <content>sys/uio.h.</content>
public static partial class Definitions
{
    /// <summary>Most pieces of one gather write.</summary>
    public const int UIO_MAXIOV = 1024;
}

/// <content>sys/uio.h.</content>
public static unsafe partial class LibC
{
    /// <summary>readv(2).</summary>
    /// <param name="fd">Descriptor.</param>
    /// <param name="pieces">Where to.</param>
    /// <param name="count">Pieces.</param>
    /// <returns>Bytes read, or −errno.</returns>
    public static nint readv(int fd, iovec* pieces, int count)
    {
        nint result;
        do
        {
            result = NativeReadv(fd, pieces, count);
        }
        while (Interrupted(result));
        return Check(result);
    }

    /// <summary>writev(2).</summary>
    /// <param name="fd">Descriptor.</param>
    /// <param name="pieces">Where from.</param>
    /// <param name="count">Pieces, at most <see cref="Definitions.UIO_MAXIOV"/>.</param>
    /// <returns>Bytes written, or −errno.</returns>
    public static nint writev(int fd, iovec* pieces, int count)
    {
        nint result;
        do
        {
            result = NativeWritev(fd, pieces, count);
        }
        while (Interrupted(result));
        return Check(result);
    }

    [LibraryImport(Library, EntryPoint = "readv", SetLastError = true)]
    private static partial nint NativeReadv(int fd, iovec* pieces, int count);

    [LibraryImport(Library, EntryPoint = "writev", SetLastError = true)]
    private static partial nint NativeWritev(int fd, iovec* pieces, int count);
}
