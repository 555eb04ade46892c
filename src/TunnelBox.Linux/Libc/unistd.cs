using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>unistd.h.</content>
public static unsafe partial class LibC
{
    /// <summary>geteuid(2): whose rights this process has.</summary>
    /// <returns>The user's number.</returns>
    public static uint geteuid() => NativeGetEuid();

    /// <summary>close(2). Never retried: on Linux the descriptor is gone even after EINTR.</summary>
    /// <param name="fd">Descriptor.</param>
    /// <returns>0, or −errno.</returns>
    public static int close(int fd) => Check(NativeClose(fd));

    /// <summary>read(2).</summary>
    /// <param name="fd">Descriptor.</param>
    /// <param name="buffer">Where to.</param>
    /// <param name="count">Bytes at most.</param>
    /// <returns>Bytes read, or −errno.</returns>
    public static nint read(int fd, void* buffer, nuint count)
    {
        nint result;
        do
        {
            result = NativeRead(fd, buffer, count);
        }
        while (Interrupted(result));
        return Check(result);
    }

    /// <summary>write(2).</summary>
    /// <param name="fd">Descriptor.</param>
    /// <param name="buffer">Where from.</param>
    /// <param name="count">Bytes.</param>
    /// <returns>Bytes written, or −errno.</returns>
    public static nint write(int fd, void* buffer, nuint count)
    {
        nint result;
        do
        {
            result = NativeWrite(fd, buffer, count);
        }
        while (Interrupted(result));
        return Check(result);
    }

    /// <summary>dup(2).</summary>
    /// <param name="fd">Descriptor.</param>
    /// <returns>A second descriptor, or −errno.</returns>
    public static int dup(int fd) => Check(NativeDup(fd));

    /// <summary>ftruncate(2).</summary>
    /// <param name="fd">A file open for writing.</param>
    /// <param name="length">Its new size in bytes.</param>
    /// <returns>0, or −errno.</returns>
    public static int ftruncate(int fd, long length) => Check(NativeFtruncate(fd, length));

    /// <summary>pipe2(2).</summary>
    /// <param name="pair">Receives the reading and the writing end.</param>
    /// <param name="flags">O_CLOEXEC, O_NONBLOCK.</param>
    /// <returns>0, or −errno.</returns>
    public static int pipe2(int* pair, int flags) => Check(NativePipe2(pair, flags));

    [LibraryImport(Library, EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int NativeFtruncate(int fd, long length);

    [LibraryImport(Library, EntryPoint = "pipe2", SetLastError = true)]
    private static partial int NativePipe2(int* pair, int flags);

    [LibraryImport(Library, EntryPoint = "geteuid")]
    private static partial uint NativeGetEuid();

    [LibraryImport(Library, EntryPoint = "close", SetLastError = true)]
    private static partial int NativeClose(int fd);

    [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
    private static partial nint NativeRead(int fd, void* buffer, nuint count);

    [LibraryImport(Library, EntryPoint = "write", SetLastError = true)]
    private static partial nint NativeWrite(int fd, void* buffer, nuint count);

    [LibraryImport(Library, EntryPoint = "dup", SetLastError = true)]
    private static partial int NativeDup(int fd);
}
