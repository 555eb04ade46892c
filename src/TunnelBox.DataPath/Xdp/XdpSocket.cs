using System.Numerics;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Xdp;

/// <summary>How frames get from the device to an AF_XDP socket.</summary>
public enum XdpMode
{
    /// <summary>The driver puts them into the socket's memory itself.</summary>
    ZeroCopy,

    /// <summary>The driver runs the program; the kernel copies.</summary>
    Copy,

    /// <summary>The kernel makes a packet of its own first, then copies.</summary>
    Generic,
}

/// <summary>
/// An AF_XDP socket of one queue of one device with its four rings. It is bound in the best mode there is, and says why
/// it is no better one.
/// </summary>
internal sealed unsafe partial class XdpSocket : IDisposable
{
    private const int SendBuffer = 7 << 20;
    private const int BindAttempts = 20;
    private const int BindPause = 10;
    private readonly FileDescriptor _descriptor;
    private readonly int _ifindex;
    private readonly Arena? _arena;

    private XdpSocket(FileDescriptor descriptor, string device, uint queue, int ifindex, Arena? arena)
    {
        _descriptor = descriptor;
        _ifindex = ifindex;
        _arena = arena;
        Device = device;
        Queue = queue;
    }

    /// <summary>Gets the device's name, for messages.</summary>
    public string Device { get; }

    /// <summary>Gets the device's queue.</summary>
    public uint Queue { get; }

    /// <summary>Gets the bare descriptor.</summary>
    public int Descriptor => _descriptor.Value;

    /// <summary>Gets the mode in force.</summary>
    public XdpMode Mode { get; private set; }

    /// <summary>Gets why the mode is not <see cref="XdpMode.ZeroCopy"/>, a sentence; null where it is.</summary>
    public string? ModeReason { get; private set; }

    /// <summary>Gets the ring of frames for the kernel to receive into.</summary>
    public XdpRing Fill { get; private set; } = null!;

    /// <summary>Gets the ring of frames that were transmitted.</summary>
    public XdpRing Completion { get; private set; } = null!;

    /// <summary>Gets the ring of frames received.</summary>
    public XdpRing Receive { get; private set; } = null!;

    /// <summary>Gets the ring of frames to transmit.</summary>
    public XdpRing Transmit { get; private set; } = null!;

    /// <summary>Gets a value indicating whether a frame may take several chunks.</summary>
    public bool TakesChains { get; private set; }

    /// <summary>Gets why a frame may not take several chunks, a sentence's end; null where it may, or nobody asked.</summary>
    public string? ChainsReason { get; private set; }

    /// <summary>Gets a value indicating whether this socket registered its memory; it was lent by another one where not.</summary>
    public bool HasRegistered { get; private set; }

    /// <summary>Gets the bytes before each frame to transmit where metadata may stand; 0 where the kernel knows of none.</summary>
    public int MetadataSize { get; private set; }

    /// <summary>Opens and binds a socket.</summary>
    /// <param name="arena">The memory: lent by a socket that has it in the same mode, else registered.</param>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device, in the calling thread's network namespace.</param>
    /// <param name="queue">Its queue.</param>
    /// <param name="first">A bound socket of the same device, whose mode this one is to have; null for the device's first.</param>
    /// <param name="entries">Entries of each ring.</param>
    /// <param name="genericReason">Why the program runs in generic mode, or null when the driver runs it.</param>
    /// <param name="error">0, or −errno of what failed: EINVAL of a queue that the device does not have.</param>
    /// <param name="problem">What failed, one sentence.</param>
    /// <param name="offer">At most <paramref name="entries"/> chunks to receive into, which the kernel has from the start.</param>
    /// <param name="chains">Whether frames are to take several chunks where the kernel and the driver can do that.</param>
    /// <returns>The socket, or null.</returns>
    public static XdpSocket? Open(
        Arena arena, string device, int ifindex, uint queue, XdpSocket? first, uint entries, string? genericReason, out int error, out string problem,
        ReadOnlySpan<ulong> offer = default, bool chains = true)
    {
        var place = new Place(arena, device, ifindex, queue, entries);
        if (first is not null)
        {
            XdpSocket? next = Open(in place, offer, first, 0, out error, out problem);
            if (next is not null)
            {
                next.Mode = first.Mode;
                next.ModeReason = first.ModeReason;
                arena.Add(next);
            }

            return next;
        }

        string? reason = genericReason;
        XdpSocket? socket = null;
        error = 0;
        problem = string.Empty;
        if (genericReason is null)
        {
            bool several = NetdevFeatures.Of(ifindex).ZeroCopyBuffers > 1;
            socket = OpenFirst(in place, offer, Definitions.XDP_ZEROCOPY, chains && several, out error, out problem);
            if (socket is not null)
            {
                socket.Mode = XdpMode.ZeroCopy;
                socket.ChainsReason = chains && !several ? $"the driver of {device} gives none in zero-copy mode" : socket.ChainsReason;
            }

            reason = $"the driver of {device} {(error == -Definitions.EOPNOTSUPP ? "offers no" : "refuses")} zero-copy: {Errno.Describe(error)}";
        }

        if (socket is null && (socket = OpenFirst(in place, offer, Definitions.XDP_COPY, chains, out error, out problem)) is not null)
        {
            socket.Mode = genericReason is null ? XdpMode.Copy : XdpMode.Generic;
            socket.ModeReason = reason;
        }

        if (socket is not null)
        {
            arena.Add(socket);
        }

        return socket;
    }

    /// <summary>Makes a socket of rings alone, with a program at their other side where the kernel would be: for benchmarks and tests.</summary>
    /// <param name="fill">The fill ring.</param>
    /// <param name="completion">The completion ring.</param>
    /// <param name="receive">The RX ring.</param>
    /// <param name="transmit">The TX ring.</param>
    /// <returns>The socket, which owns the rings and no descriptor.</returns>
    public static XdpSocket OfRings(XdpRing fill, XdpRing completion, XdpRing receive, XdpRing transmit) =>
        new(new FileDescriptor(-1), "memory", 0, 0, null) { TakesChains = true, Mode = XdpMode.Copy, MetadataSize = sizeof(xsk_tx_metadata), Fill = fill, Completion = completion, Receive = receive, Transmit = transmit };

    /// <summary>Has the kernel look at the TX ring.</summary>
    /// <returns>0, or −errno: EAGAIN when frames are left.</returns>
    public int Kick() => LibC.sendto(Descriptor, Definitions.MSG_DONTWAIT);

    /// <summary>Has the kernel look at the fill ring.</summary>
    public void WakeFill() => _ = LibC.recvfrom(Descriptor, Definitions.MSG_DONTWAIT);

    /// <summary>Has receiving poll the device.</summary>
    /// <param name="microseconds">For how long a call polls at most.</param>
    /// <param name="budget">Most packets a call takes.</param>
    /// <returns>0, or −errno: EPERM without the capability CAP_NET_ADMIN.</returns>
    public int BusyPoll(int microseconds, int budget)
    {
        int error = LibC.setsockopt(Descriptor, Definitions.SOL_SOCKET, Definitions.SO_PREFER_BUSY_POLL, 1);
        error = error < 0 ? error : LibC.setsockopt(Descriptor, Definitions.SOL_SOCKET, Definitions.SO_BUSY_POLL, microseconds);
        return error < 0 ? error : LibC.setsockopt(Descriptor, Definitions.SOL_SOCKET, Definitions.SO_BUSY_POLL_BUDGET, budget);
    }

    /// <summary>Waits at most a millisecond until the socket takes frames again.</summary>
    public void WaitWritable()
    {
        pollfd poll = new() { fd = Descriptor, events = Definitions.POLLOUT };
        timespec limit = new() { tv_nsec = 1_000_000 };
        _ = LibC.ppoll(&poll, 1, &limit);
    }

    /// <summary>Reads what the kernel dropped at this socket; from any thread.</summary>
    /// <returns>Counts since it was opened; zeros where they cannot be read.</returns>
    public xdp_statistics ReadStatistics()
    {
        xdp_statistics statistics = default;
        uint length = (uint)sizeof(xdp_statistics);
        _ = LibC.getsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_STATISTICS, &statistics, &length);
        return statistics;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _arena?.Remove(this);
        Fill?.Dispose();
        Completion?.Dispose();
        Receive?.Dispose();
        Transmit?.Dispose();
        _descriptor.Dispose();
    }

    // The memory comes from a socket that has it in this mode, on any device; where there is none it is registered.
    private static XdpSocket? OpenFirst(in Place place, ReadOnlySpan<ulong> offer, int mode, bool chains, out int error, out string problem)
    {
        string? reason = null;
        while (true)
        {
            XdpSocket? socket = OpenLent(in place, offer, mode, chains, out error, out problem);
            if (error == -Definitions.EBADF)
            {
                socket = Open(in place, offer, null, mode | (chains ? Definitions.XDP_USE_SG : 0), out error, out problem);
            }

            if (socket is not null)
            {
                socket.ChainsReason = reason;
                return socket;
            }

            if (!chains || error is not (-Definitions.EINVAL or -Definitions.EOPNOTSUPP))
            {
                return null;
            }

            // Kernels before 6.6 do not know the flag.
            reason = $"the kernel refuses them on {place.Device}: {Errno.Describe(error)}";
            chains = false;
        }
    }

    // EBADF where nobody can lend: a socket whose device is gone is bound to nothing.
    private static XdpSocket? OpenLent(in Place place, ReadOnlySpan<ulong> offer, int mode, bool chains, out int error, out string problem)
    {
        error = -Definitions.EBADF;
        problem = string.Empty;
        foreach (XdpSocket lender in place.Arena.Lenders(mode == Definitions.XDP_ZEROCOPY, chains))
        {
            // The queue itself can be had once only; two sockets on it would share their fill ring.
            if (lender._ifindex == place.Ifindex && lender.Queue == place.Queue)
            {
                continue;
            }

            XdpSocket? socket = Open(in place, offer, lender, 0, out error, out problem);
            if (socket is not null || error != -Definitions.EBADF)
            {
                return socket;
            }
        }

        return null;
    }

    private static XdpSocket? Open(in Place place, ReadOnlySpan<ulong> offer, XdpSocket? lender, int flags, out int error, out string problem)
    {
        string device = place.Device;
        int fd = LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW | Definitions.SOCK_CLOEXEC, 0);
        error = Math.Min(fd, 0);
        problem = $"no XDP on {device}: an AF_XDP socket cannot be opened: {Errno.Describe(error)}; the capability CAP_NET_RAW and a kernel with CONFIG_XDP_SOCKETS are needed";
        if (fd < 0)
        {
            return null;
        }

        var socket = new XdpSocket(new FileDescriptor(fd), device, place.Queue, place.Ifindex, place.Arena);
        error = lender is null ? socket.Register() : 0;
        if (error < 0)
        {
            problem = error == -Definitions.ENOBUFS
                ? $"no XDP on {device}: {place.Arena.Length >> 20} MiB for frames exceed RLIMIT_MEMLOCK; raise it, or grant the capability CAP_IPC_LOCK"
                : $"no XDP on {device}: memory for frames cannot be registered: {Errno.Describe(error)}; use the UDP port";
        }
        else if ((error = socket.MapRings(BitOperations.RoundUpToPowerOf2(place.Entries))) < 0)
        {
            problem = $"no XDP on {device}: the rings cannot be set up: {Errno.Describe(error)}; use the UDP port";
        }
        else if ((error = socket.OfferAndBind(offer, lender, flags)) < 0)
        {
            problem = error == -Definitions.EBUSY
                ? $"no XDP on {device}: another process holds queue {place.Queue}, or frames of a socket before are still under way; end it, or use the UDP port"
                : $"no XDP on {device}: queue {place.Queue} cannot be bound: {Errno.Describe(error)}; use the UDP port";
        }
        else
        {
            socket.TransmitBursts();
            return socket;
        }

        socket.Dispose();
        return null;
    }

    private int Register()
    {
        Arena arena = _arena!;
        xdp_umem_reg memory = new()
        {
            addr = (ulong)arena.Address,
            len = arena.Length,
            chunk_size = Arena.ChunkSize,
            headroom = Arena.Headroom,
            flags = Definitions.XDP_UMEM_TX_METADATA_LEN,
            tx_metadata_len = (uint)sizeof(xsk_tx_metadata),
        };
        int error = LibC.setsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_UMEM_REG, &memory, (uint)sizeof(xdp_umem_reg));
        MetadataSize = error == 0 ? sizeof(xsk_tx_metadata) : 0;
        if (error == -Definitions.EINVAL)
        {
            memory.flags = 0;
            memory.tx_metadata_len = 0;
            error = LibC.setsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_UMEM_REG, &memory, (uint)sizeof(xdp_umem_reg));
        }

        return error;
    }

    private int MapRings(uint entries)
    {
        foreach (int ring in (ReadOnlySpan<int>)[Definitions.XDP_UMEM_FILL_RING, Definitions.XDP_UMEM_COMPLETION_RING, Definitions.XDP_RX_RING, Definitions.XDP_TX_RING])
        {
            int error = LibC.setsockopt(Descriptor, Definitions.SOL_XDP, ring, (int)entries);
            if (error < 0)
            {
                return error;
            }
        }

        xdp_mmap_offsets offsets;
        uint length = (uint)sizeof(xdp_mmap_offsets);
        int read = LibC.getsockopt(Descriptor, Definitions.SOL_XDP, Definitions.XDP_MMAP_OFFSETS, &offsets, &length);
        if (read < 0 || length != sizeof(xdp_mmap_offsets))
        {
            // Kernels before 5.4 answer shorter, without the flags.
            return Math.Min(read, -Definitions.EOPNOTSUPP);
        }

        XdpRing? fill = XdpRing.Map(Descriptor, Definitions.XDP_UMEM_PGOFF_FILL_RING, offsets.fr, entries, sizeof(ulong), out int first);
        XdpRing? completion = XdpRing.Map(Descriptor, Definitions.XDP_UMEM_PGOFF_COMPLETION_RING, offsets.cr, entries, sizeof(ulong), out int second);
        XdpRing? receive = XdpRing.Map(Descriptor, Definitions.XDP_PGOFF_RX_RING, offsets.rx, entries, sizeof(xdp_desc), out int third);
        XdpRing? transmit = XdpRing.Map(Descriptor, Definitions.XDP_PGOFF_TX_RING, offsets.tx, entries, sizeof(xdp_desc), out int fourth);
        Fill = fill!;
        Completion = completion!;
        Receive = receive!;
        Transmit = transmit!;
        return Math.Min(Math.Min(first, second), Math.Min(third, fourth));
    }

    // A card that is given the queue with nothing to receive into counts frames as dropped, and waits until it is woken.
    private int OfferAndBind(ReadOnlySpan<ulong> offer, XdpSocket? lender, int flags)
    {
        for (int i = 0; i < offer.Length; i++)
        {
            Fill.Frame((uint)i) = offer[i];
        }

        Fill.Submit((uint)offer.Length);
        if (lender is null)
        {
            TakesChains = (flags & Definitions.XDP_USE_SG) != 0;
            HasRegistered = true;
            return Bind(_ifindex, flags | Definitions.XDP_USE_NEED_WAKEUP, 0);
        }

        // The mode comes with the memory; naming one is an error.
        TakesChains = lender.TakesChains;
        ChainsReason = lender.ChainsReason;
        MetadataSize = lender.MetadataSize;
        return Bind(_ifindex, Definitions.XDP_SHARED_UMEM, lender.Descriptor);
    }

    private int Bind(int ifindex, int flags, int lender)
    {
        sockaddr_xdp address = new()
        {
            sxdp_family = Definitions.AF_XDP,
            sxdp_flags = (ushort)flags,
            sxdp_ifindex = (uint)ifindex,
            sxdp_queue_id = Queue,
            sxdp_shared_umem_fd = (uint)lender,
        };

        // A socket that was closed gives its queue back a moment later (xp_release_deferred of net/xdp/xsk_buff_pool.c).
        int error = LibC.bind(Descriptor, &address, (uint)sizeof(sockaddr_xdp));
        for (int attempt = 1; error == -Definitions.EBUSY && attempt < BindAttempts; attempt++)
        {
            Thread.Sleep(BindPause);
            error = LibC.bind(Descriptor, &address, (uint)sizeof(sockaddr_xdp));
        }

        return error;
    }

    private readonly record struct Place(Arena Arena, string Device, int Ifindex, uint Queue, uint Entries);
}
