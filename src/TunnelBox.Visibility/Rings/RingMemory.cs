using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Visibility.Rings;

/// <summary>The memory of one trace ring: a memfd that can neither shrink nor be written by whoever it is handed to, and its mapping.</summary>
public sealed unsafe class RingMemory : SafeHandle
{
    /// <summary>Most captured bytes of a packet.</summary>
    public const int MaxSnap = 65535;

    /// <summary>Bytes that a ring takes at most, unless a single record is that large.</summary>
    public const int Budget = 16 * 1024 * 1024;

    private const int MostRecords = 65536;
    private const int FewestRecords = 64;
    private readonly nuint _length;
    private readonly FileDescriptor _file;

    private RingMemory(nint address, nuint length, FileDescriptor file)
        : base(0, ownsHandle: true)
    {
        SetHandle(address);
        _length = length;
        _file = file;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Gets the descriptor to hand to a reader; valid until this is disposed.</summary>
    public int Descriptor => _file.Value;

    internal byte* Address => (byte*)handle;

    internal nuint Length => _length;

    internal RingHeader* Header => (RingHeader*)handle;

    /// <summary>Makes the memory of a ring, with a header and no records, all pages present.</summary>
    /// <param name="innerSnap">Most captured bytes of an inner packet.</param>
    /// <param name="outerSnap">Most captured bytes of an outer packet.</param>
    /// <param name="worker">The writer's number.</param>
    /// <param name="clockOffset">What turns CLOCK_MONOTONIC into Unix time, in nanoseconds.</param>
    /// <param name="budget">Bytes that it may take.</param>
    /// <returns>The memory.</returns>
    /// <exception cref="RingException">The kernel gives none.</exception>
    public static RingMemory Create(int innerSnap, int outerSnap, int worker, long clockOffset, int budget = Budget)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)innerSnap, (uint)MaxSnap, nameof(innerSnap));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)outerSnap, (uint)MaxSnap, nameof(outerSnap));
        int recordSize = (RingRecord.Size + innerSnap + outerSnap + 63) & ~63;
        int capacity = Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)(budget / recordSize) + 1) / 2, FewestRecords, MostRecords);
        nuint length = RingHeader.Size + ((nuint)recordSize * (nuint)capacity);
        FileDescriptor file = Open(length);
        nint address = LibC.mmap(
            null, length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_SHARED | Definitions.MAP_POPULATE, file.Value, 0);
        if (address is < 0 and > -4096)
        {
            file.Dispose();
            throw RingException.Refused("mmap", (int)address);
        }

        var memory = new RingMemory(address, length, file);
        *memory.Header = new RingHeader
        {
            Magic = RingHeader.MagicValue,
            Version = RingHeader.VersionValue,
            RecordSize = (uint)recordSize,
            Capacity = (uint)capacity,
            InnerSnap = (uint)innerSnap,
            OuterSnap = (uint)outerSnap,
            Worker = (uint)worker,
            ClockOffset = clockOffset,
        };

        // Older kernels know no seal against future writing; the reader is root or the daemon's own user all the same.
        const int Fixed = Definitions.F_SEAL_SHRINK | Definitions.F_SEAL_GROW;
        if (LibC.fcntl(file.Value, Definitions.F_ADD_SEALS, Fixed | Definitions.F_SEAL_FUTURE_WRITE | Definitions.F_SEAL_SEAL) < 0)
        {
            int sealed_ = LibC.fcntl(file.Value, Definitions.F_ADD_SEALS, Fixed);
            if (sealed_ < 0)
            {
                memory.Dispose();
                throw RingException.Refused("F_ADD_SEALS", sealed_);
            }
        }

        return memory;
    }

    /// <summary>Maps what another process made, for reading.</summary>
    /// <param name="file">The descriptor, owned from now on.</param>
    /// <param name="length">Its size in bytes.</param>
    /// <returns>The memory, not yet looked at.</returns>
    /// <exception cref="RingException">It cannot be mapped, or its owner could take it away while it is read.</exception>
    internal static RingMemory Map(FileDescriptor file, long length)
    {
        int seals = LibC.fcntl(file.Value, Definitions.F_GET_SEALS, 0);
        if (seals < 0 || (seals & Definitions.F_SEAL_SHRINK) == 0 || length < RingHeader.Size)
        {
            throw RingException.Foreign("it is no sealed memory");
        }

        nint address = LibC.mmap(null, (nuint)length, Definitions.PROT_READ, Definitions.MAP_SHARED, file.Value, 0);
        return address is < 0 and > -4096 ? throw RingException.Refused("mmap", (int)address) : new RingMemory(address, (nuint)length, file);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        _file.Dispose();
        return LibC.munmap((void*)handle, _length) == 0;
    }

    private static FileDescriptor Open(nuint length)
    {
        fixed (byte* name = Encoding.ASCII.GetBytes("tunnelbox-trace\0"))
        {
            int fd = LibC.memfd_create(name, Definitions.MFD_CLOEXEC | Definitions.MFD_ALLOW_SEALING);
            if (fd < 0)
            {
                throw RingException.Refused("memfd_create", fd);
            }

            var file = new FileDescriptor(fd);
            int error = LibC.ftruncate(fd, (long)length);
            if (error < 0)
            {
                file.Dispose();
                throw RingException.Refused("ftruncate", error);
            }

            return file;
        }
    }
}
