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

    private Arena(nint address, int chunks)
        : base(0, ownsHandle: true)
    {
        SetHandle(address);
        Chunks = chunks;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Gets how many chunks there are.</summary>
    public int Chunks { get; }

    /// <summary>Gets the first byte.</summary>
    public byte* Address => (byte*)handle;

    /// <summary>Gets the size in bytes.</summary>
    public nuint Length => (nuint)Chunks * ChunkSize;

    /// <summary>Maps memory of zeros.</summary>
    /// <param name="chunks">How many chunks.</param>
    /// <returns>The arena.</returns>
    /// <exception cref="PortException">There is not so much memory.</exception>
    public static Arena Map(int chunks)
    {
        nuint length = (nuint)chunks * ChunkSize;
        nint address = LibC.mmap(
            null, length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_PRIVATE | Definitions.MAP_ANONYMOUS, -1, 0);
        return address is < 0 and > -4096
            ? throw new PortException($"no XDP: {length >> 20} MiB for frames cannot be mapped: {Errno.Describe((int)address)}; free memory, or use the UDP port", (int)address)
            : new Arena(address, chunks);
    }

    /// <summary>Whether bytes that the kernel names lie in this memory and in one chunk.</summary>
    /// <param name="offset">The first byte, from the start.</param>
    /// <param name="length">How many.</param>
    /// <returns>True when they may be touched.</returns>
    public bool Holds(ulong offset, uint length) =>
        offset < Length && length <= ChunkSize - (offset & (ChunkSize - 1));

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => LibC.munmap((void*)handle, Length) == 0;
}
