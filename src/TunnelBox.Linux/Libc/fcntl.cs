using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>fcntl.h.</content>
public static partial class Definitions
{
    /// <summary>Open for reading.</summary>
    public const int O_RDONLY = 0;

    /// <summary>Open for writing.</summary>
    public const int O_WRONLY = 1;

    /// <summary>Open for both.</summary>
    public const int O_RDWR = 2;

    /// <summary>Calls return EAGAIN instead of waiting.</summary>
    public const int O_NONBLOCK = 0x800;

    /// <summary>Closed by exec.</summary>
    public const int O_CLOEXEC = 0x80000;

    /// <summary>Read the status flags.</summary>
    public const int F_GETFL = 3;

    /// <summary>Set the status flags.</summary>
    public const int F_SETFL = 4;

    /// <summary>Add seals to memory of memfd_create.</summary>
    public const int F_ADD_SEALS = 1033;

    /// <summary>Read its seals.</summary>
    public const int F_GET_SEALS = 1034;

    /// <summary>No more seals.</summary>
    public const int F_SEAL_SEAL = 1;

    /// <summary>It never shrinks, so no mapping of it can fault.</summary>
    public const int F_SEAL_SHRINK = 2;

    /// <summary>It never grows.</summary>
    public const int F_SEAL_GROW = 4;

    /// <summary>Only mappings made before may write (Linux 5.1).</summary>
    public const int F_SEAL_FUTURE_WRITE = 0x10;
}

/// <content>fcntl.h.</content>
public static unsafe partial class LibC
{
    /// <summary>open(2).</summary>
    /// <param name="path">Zero-terminated path.</param>
    /// <param name="flags">O_*.</param>
    /// <returns>A descriptor, or −errno.</returns>
    public static int open(byte* path, int flags)
    {
        int result;
        do
        {
            result = NativeOpen(path, flags, 0);
        }
        while (Interrupted(result));
        return Check(result);
    }

    /// <summary>fcntl(2) with an integer argument.</summary>
    /// <param name="fd">Descriptor.</param>
    /// <param name="command">F_*.</param>
    /// <param name="argument">Its argument.</param>
    /// <returns>As the command says, or −errno.</returns>
    public static int fcntl(int fd, int command, int argument) => Check(NativeFcntl(fd, command, argument));

    // Both are variadic in C; on x86-64 and arm64 Linux the fixed form is called the same way.
    [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
    private static partial int NativeOpen(byte* path, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "fcntl", SetLastError = true)]
    private static partial int NativeFcntl(int fd, int command, nint argument);
}
