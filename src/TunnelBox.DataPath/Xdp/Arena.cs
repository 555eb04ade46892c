using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>The memory that AF_XDP sockets take their frames from: chunks of 4 KiB, mapped once, registered by each device's first socket.</summary>
internal sealed unsafe class Arena : SafeHandle
{
    /// <summary>Bytes of a chunk, which holds one frame.</summary>
    public const int ChunkSize = 4096;

    /// <summary>
    /// Bytes that stay free before a received frame, beside the kernel's own 256: its hints. Sealing a small packet in place, with header, tag and outer headers
    /// around it, then touches no other pair of cache lines than its arrival has.
    /// </summary>
    public const int Headroom = 48;

    // Bytes of a huge page on x86-64 and on arm64 with pages of 4 KiB.
    private const nuint HugePage = 2 << 20;
    private readonly nuint _mapped;

    private Arena(nint address, nuint mapped, int chunks)
        : base(0, ownsHandle: true)
    {
        SetHandle(address);
        _mapped = mapped;
        Chunks = chunks;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Gets how many chunks there are.</summary>
    public int Chunks { get; }

    /// <summary>Gets why the memory does not lie in huge pages, a sentence; null where it does.</summary>
    public string? PagesReason { get; private init; }

    /// <summary>Gets the first byte.</summary>
    public byte* Address => (byte*)handle;

    /// <summary>Gets the size in bytes.</summary>
    public nuint Length => (nuint)Chunks * ChunkSize;

    /// <summary>Maps memory of zeros, in huge pages where there are enough: a frame then costs the processor and the card fewer look-ups of pages.</summary>
    /// <param name="chunks">How many chunks.</param>
    /// <returns>The arena.</returns>
    /// <exception cref="PortException">There is not so much memory.</exception>
    public static Arena Map(int chunks)
    {
        nuint length = (nuint)chunks * ChunkSize;
        nuint mapped = (length + HugePage - 1) & ~(HugePage - 1);
        nint address = Map(mapped, Definitions.MAP_HUGETLB);
        if (address is >= 0 or <= -4096)
        {
            return new Arena(address, mapped, chunks);
        }

        string reason = $"Frames lie in ordinary pages, since {mapped / HugePage} huge ones are not free: {Errno.Describe((int)address)}; the sysctl vm.nr_hugepages sets them aside.";
        address = Map(length, 0);
        return address is < 0 and > -4096
            ? throw new PortException($"no XDP: {length >> 20} MiB for frames cannot be mapped: {Errno.Describe((int)address)}; free memory, or use the UDP port", (int)address)
            : new Arena(address, length, chunks) { PagesReason = reason };
    }

    /// <summary>Whether bytes that the kernel names lie in this memory and in one chunk.</summary>
    /// <param name="offset">The first byte, from the start.</param>
    /// <param name="length">How many.</param>
    /// <returns>True when they may be touched.</returns>
    public bool Holds(ulong offset, uint length) =>
        offset < Length && length <= ChunkSize - (offset & (ChunkSize - 1));

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => LibC.munmap((void*)handle, _mapped) == 0;

    private static nint Map(nuint length, int flags) => LibC.mmap(
        null, length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_PRIVATE | Definitions.MAP_ANONYMOUS | flags, -1, 0);
}
