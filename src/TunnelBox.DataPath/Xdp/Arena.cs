using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// The memory that AF_XDP sockets take their frames from: chunks of 4 KiB, mapped once, registered once for each mode, and lent from then on by a
/// socket that lives. It knows which queue each chunk belongs to.
/// </summary>
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

    // After a socket has been closed the kernel takes its queue back from the card a moment later.
    private const int CardWrites = 100;
    private readonly nuint _mapped;
    private readonly byte[] _owners;
    private readonly bool[] _isOwner = new bool[byte.MaxValue + 1];
    private readonly XdpQueue?[] _queues = new XdpQueue?[byte.MaxValue + 1];
    private readonly List<XdpSocket> _sockets = [];
    private readonly Lock _gate = new();
    private long _written;

    private Arena(nint address, nuint mapped, int chunks)
        : base(0, ownsHandle: true)
    {
        SetHandle(address);
        _mapped = mapped;
        Chunks = chunks;
        _owners = new byte[chunks];
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Gets how many chunks there are.</summary>
    public int Chunks { get; }

    /// <summary>Gets why the memory does not lie in huge pages, a sentence; null where it does.</summary>
    public string? PagesReason { get; private init; }

    /// <summary>Gets on which NUMA node the memory lies, and why, a part of a sentence.</summary>
    public string Node { get; private init; } = "wherever the kernel puts them";

    /// <summary>Gets the first byte.</summary>
    public byte* Address => (byte*)handle;

    /// <summary>Gets the size in bytes.</summary>
    public nuint Length => (nuint)Chunks * ChunkSize;

    /// <summary>Maps memory of zeros, in huge pages where there are enough: a frame then costs the processor and the card fewer look-ups of pages.</summary>
    /// <param name="chunks">How many chunks.</param>
    /// <param name="device">The device whose NUMA node it is to lie on; empty for any.</param>
    /// <returns>The arena.</returns>
    /// <exception cref="PortException">There is not so much memory.</exception>
    public static Arena Map(int chunks, string device = "")
    {
        nuint length = (nuint)chunks * ChunkSize;
        nuint mapped = (length + HugePage - 1) & ~(HugePage - 1);
        nint address = Map(mapped, Definitions.MAP_HUGETLB);
        if (address is >= 0 or <= -4096)
        {
            return new Arena(address, mapped, chunks) { Node = FramePlace.Place(address, mapped, device) };
        }

        string reason = $"Frames lie in ordinary pages, since {mapped / HugePage} huge ones are not free: {Errno.Describe((int)address)}; the sysctl vm.nr_hugepages sets them aside.";
        address = Map(length, 0);
        return address is < 0 and > -4096
            ? throw new PortException($"no XDP: {length >> 20} MiB for frames cannot be mapped: {Errno.Describe((int)address)}; free memory, or use the UDP port", (int)address)
            : new Arena(address, length, chunks) { PagesReason = reason, Node = FramePlace.Place(address, length, device) };
    }

    /// <summary>Whether bytes that the kernel names lie in this memory and in one chunk.</summary>
    /// <param name="offset">The first byte, from the start.</param>
    /// <param name="length">How many.</param>
    /// <returns>True when they may be touched.</returns>
    public bool Holds(ulong offset, uint length) =>
        offset < Length && length <= ChunkSize - (offset & (ChunkSize - 1));

    /// <summary>Counts the chunks that belong to no queue.</summary>
    /// <returns>How many.</returns>
    public int CountUnused()
    {
        lock (_gate)
        {
            return _owners.AsSpan().Count((byte)0);
        }
    }

    /// <summary>Gives chunks to a queue that is to be; none of them is written to by a card any more.</summary>
    /// <param name="frames">How many of each kind, to receive into and to transmit.</param>
    /// <returns>The chunks; null when there are not so many.</returns>
    public FrameSet? Rent(int frames)
    {
        lock (_gate)
        {
            int owner = Array.IndexOf(_isOwner, false, 1);
            if (owner < 0 || _owners.AsSpan().Count((byte)0) < 2 * frames)
            {
                return null;
            }

            long wait = _written - Environment.TickCount64;
            if (wait > 0)
            {
                Thread.Sleep((int)wait);
            }

            ulong[] rented = new ulong[2 * frames];
            for (int i = 0, chunk = 0; i < rented.Length; chunk++)
            {
                if (_owners[chunk] == 0)
                {
                    _owners[chunk] = (byte)owner;
                    rented[i++] = (ulong)chunk * ChunkSize;
                }
            }

            _isOwner[owner] = true;
            return new FrameSet((byte)owner, rented);
        }
    }

    /// <summary>Says which queue an owner of chunks became.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="queue">The queue.</param>
    public void Name(byte owner, XdpQueue queue) => _queues[owner] = queue;

    /// <summary>Takes back all that belongs to a queue, whose socket is closed and whose worker has stopped.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="byCard">Whether a card wrote into them itself.</param>
    public void Return(byte owner, bool byCard)
    {
        lock (_gate)
        {
            _owners.AsSpan().Replace(owner, (byte)0);
            _queues[owner] = null;
            _isOwner[owner] = false;
            _written = byCard ? Environment.TickCount64 + CardWrites : _written;
        }
    }

    /// <summary>Finds the queue that an owner of chunks is.</summary>
    /// <param name="owner">The owner.</param>
    /// <returns>The queue.</returns>
    public XdpQueue? QueueOf(int owner) => _queues[owner & byte.MaxValue];

    /// <summary>Tells whose a chunk is.</summary>
    /// <param name="chunk">The chunk's offset, which need not lie in the memory.</param>
    /// <returns>The owner; 0 where it is nobody's.</returns>
    public byte OwnerOf(ulong chunk) => chunk < Length ? _owners[(int)(chunk / ChunkSize)] : (byte)0;

    /// <summary>Gives a chunk from one queue to another; both are the calling worker's.</summary>
    /// <param name="chunk">The chunk's offset.</param>
    /// <param name="to">Whose it becomes.</param>
    public void Move(ulong chunk, byte to) => _owners[(int)(chunk / ChunkSize)] = to;

    /// <summary>Notes a socket that can lend the memory.</summary>
    /// <param name="socket">A bound socket.</param>
    public void Add(XdpSocket socket)
    {
        lock (_gate)
        {
            _sockets.Add(socket);
        }
    }

    /// <summary>Forgets a socket that is about to be closed.</summary>
    /// <param name="socket">The socket.</param>
    public void Remove(XdpSocket socket)
    {
        lock (_gate)
        {
            _sockets.Remove(socket);
        }
    }

    /// <summary>Finds the sockets that can lend the memory to another one. What is lent brings its mode along.</summary>
    /// <param name="zeroCopy">Whether zero-copy mode is wanted.</param>
    /// <param name="takesChains">Whether frames are to take several chunks.</param>
    /// <returns>The sockets; the device of any of them may be gone.</returns>
    public XdpSocket[] Lenders(bool zeroCopy, bool takesChains)
    {
        lock (_gate)
        {
            return [.. _sockets.Where(socket => (socket.Mode == XdpMode.ZeroCopy) == zeroCopy && socket.TakesChains == takesChains)];
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => LibC.munmap((void*)handle, _mapped) == 0;

    private static nint Map(nuint length, int flags) => LibC.mmap(
        null, length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_PRIVATE | Definitions.MAP_ANONYMOUS | flags, -1, 0);
}
