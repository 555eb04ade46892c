using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>sys/mman.h.</content>
public static partial class Definitions
{
    /// <summary>No access.</summary>
    public const int PROT_NONE = 0;

    /// <summary>Readable.</summary>
    public const int PROT_READ = 1;

    /// <summary>Writable.</summary>
    public const int PROT_WRITE = 2;

    /// <summary>Changes go to the file and to other mappings.</summary>
    public const int MAP_SHARED = 1;

    /// <summary>Changes stay private.</summary>
    public const int MAP_PRIVATE = 2;

    /// <summary>No file behind it.</summary>
    public const int MAP_ANONYMOUS = 0x20;

    /// <summary>In huge pages, of which there must be enough.</summary>
    public const int MAP_HUGETLB = 0x40000;

    /// <summary>All pages present at once.</summary>
    public const int MAP_POPULATE = 0x8000;

    /// <summary>The memory's descriptor is closed by exec.</summary>
    public const int MFD_CLOEXEC = 1;

    /// <summary>The memory takes seals.</summary>
    public const int MFD_ALLOW_SEALING = 2;
}

/// <content>sys/mman.h.</content>
public static unsafe partial class LibC
{
    /// <summary>mmap(2).</summary>
    /// <param name="address">Wanted place, or null.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="protection">PROT_*.</param>
    /// <param name="flags">MAP_*.</param>
    /// <param name="fd">File, or −1.</param>
    /// <param name="offset">Where in the file.</param>
    /// <returns>The address, or −errno (above −4096).</returns>
    public static nint mmap(void* address, nuint length, int protection, int flags, int fd, long offset)
    {
        nint result = NativeMmap(address, length, protection, flags, fd, offset);
        return result == -1 ? -Marshal.GetLastPInvokeError() : result;
    }

    /// <summary>munmap(2).</summary>
    /// <param name="address">Page-aligned.</param>
    /// <param name="length">Bytes.</param>
    /// <returns>0, or −errno.</returns>
    public static int munmap(void* address, nuint length) => Check(NativeMunmap(address, length));

    /// <summary>mprotect(2).</summary>
    /// <param name="address">Page-aligned.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="protection">PROT_*.</param>
    /// <returns>0, or −errno.</returns>
    public static int mprotect(void* address, nuint length, int protection) => Check(NativeMprotect(address, length, protection));

    /// <summary>memfd_create(2).</summary>
    /// <param name="name">A zero-terminated name, for people.</param>
    /// <param name="flags">MFD_*.</param>
    /// <returns>A descriptor, or −errno.</returns>
    public static int memfd_create(byte* name, uint flags) => Check(NativeMemfdCreate(name, flags));

    [LibraryImport(Library, EntryPoint = "memfd_create", SetLastError = true)]
    private static partial int NativeMemfdCreate(byte* name, uint flags);

    [LibraryImport(Library, EntryPoint = "mmap", SetLastError = true)]
    private static partial nint NativeMmap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport(Library, EntryPoint = "munmap", SetLastError = true)]
    private static partial int NativeMunmap(void* address, nuint length);

    [LibraryImport(Library, EntryPoint = "mprotect", SetLastError = true)]
    private static partial int NativeMprotect(void* address, nuint length, int protection);
}
