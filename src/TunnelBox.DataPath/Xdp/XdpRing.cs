using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Our side of one ring that is shared with the kernel. One thread uses it. Indices run freely over 32 bits; the entries
/// written before an index are seen by whoever reads it (release and acquire, as in the kernel's net/xdp/xsk_queue.h).
/// </summary>
internal sealed unsafe class XdpRing : SafeHandle
{
    private readonly nuint _length;
    private readonly uint* _producer;
    private readonly uint* _consumer;
    private readonly uint* _flags;
    private readonly byte* _entries;
    private readonly uint _mask;
    private uint _own;
    private uint _theirs;

    private XdpRing(nint address, nuint length, in xdp_ring_offset offsets, uint entries)
        : base(0, ownsHandle: true)
    {
        SetHandle(address);
        _length = length;
        _producer = (uint*)(address + (nint)offsets.producer);
        _consumer = (uint*)(address + (nint)offsets.consumer);
        _flags = (uint*)(address + (nint)offsets.flags);
        _entries = (byte*)address + offsets.desc;
        _mask = entries - 1;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Gets a value indicating whether the kernel waits for a system call before it looks at this ring.</summary>
    public bool NeedsWakeup => (Volatile.Read(ref *_flags) & Definitions.XDP_RING_NEED_WAKEUP) != 0;

    /// <summary>Gets how many entries were produced and not yet consumed; from any thread.</summary>
    public uint Used => Volatile.Read(ref *_producer) - Volatile.Read(ref *_consumer);

    /// <summary>Gets how many entries were ever produced, modulo 2³²; from any thread.</summary>
    public uint Produced => Volatile.Read(ref *_producer);

    /// <summary>Gets how many entries were ever consumed, modulo 2³²; from any thread.</summary>
    public uint Consumed => Volatile.Read(ref *_consumer);

    /// <summary>Gets how many entries we may produce now.</summary>
    public uint Room
    {
        get
        {
            _theirs = Volatile.Read(ref *_consumer);
            return _mask + 1 - (_own - _theirs);
        }
    }

    /// <summary>Gets how many entries we may consume now.</summary>
    public uint Ready
    {
        get
        {
            _theirs = Volatile.Read(ref *_producer);
            return _theirs - _own;
        }
    }

    /// <summary>Maps a ring of a socket.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="place">XDP_PGOFF_* or XDP_UMEM_PGOFF_*.</param>
    /// <param name="offsets">Where its parts lie.</param>
    /// <param name="entries">How many entries it has: a power of 2.</param>
    /// <param name="entrySize">Bytes of an entry.</param>
    /// <param name="error">0, or −errno.</param>
    /// <returns>The ring, or null.</returns>
    public static XdpRing? Map(int socket, long place, in xdp_ring_offset offsets, uint entries, int entrySize, out int error)
    {
        nuint length = (nuint)offsets.desc + (entries * (nuint)entrySize);
        nint address = LibC.mmap(
            null, length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_SHARED | Definitions.MAP_POPULATE, socket, place);
        error = address is < 0 and > -4096 ? (int)address : 0;
        return error < 0 ? null : new XdpRing(address, length, in offsets, entries);
    }

    /// <summary>An entry of the fill or completion ring.</summary>
    /// <param name="ahead">Counted from the next one.</param>
    /// <returns>The frame's offset in the arena.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref ulong Frame(uint ahead) => ref ((ulong*)_entries)[(_own + ahead) & _mask];

    /// <summary>An entry of the RX or TX ring.</summary>
    /// <param name="ahead">Counted from the next one.</param>
    /// <returns>The descriptor.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref xdp_desc Descriptor(uint ahead) => ref ((xdp_desc*)_entries)[(_own + ahead) & _mask];

    /// <summary>Hands entries to the kernel.</summary>
    /// <param name="count">How many, at most <see cref="Room"/>.</param>
    public void Submit(uint count)
    {
        _own += count;
        Volatile.Write(ref *_producer, _own);
    }

    /// <summary>Gives consumed entries back.</summary>
    /// <param name="count">How many, at most <see cref="Ready"/>.</param>
    public void Release(uint count)
    {
        _own += count;
        Volatile.Write(ref *_consumer, _own);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => LibC.munmap((void*)handle, _length) == 0;
}
