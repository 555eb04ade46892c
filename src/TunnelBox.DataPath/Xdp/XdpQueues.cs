using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>Every queue of one device with its socket, and the memory of their frames.</summary>
internal sealed class XdpQueues : IDisposable
{
    /// <summary>Most queues of a device that are bound: as many as the programs' maps of sockets hold.</summary>
    public const int Most = 64;

    private const int MostFrames = 2048;
    private const int FewestFrames = 256;
    private const int AllFrames = 8192;

    private readonly XdpMemory _memory;
    private readonly string _device;
    private readonly List<XdpQueue> _queues = [];
    private readonly xdp_statistics[] _counted = new xdp_statistics[Most];
    private readonly long[] _refused = new long[Most];
    private RedirectFailures? _redirects;
    private long _failedRedirects;

    private Arena? _arena;

    private XdpQueues(XdpMemory memory, string device)
    {
        _memory = memory;
        _device = device;
    }

    /// <summary>Gets the queues.</summary>
    public IReadOnlyList<XdpQueue> All => _queues;

    /// <summary>Gets the mode in force.</summary>
    public XdpMode Mode => _queues[0].Socket.Mode;

    /// <summary>Gets why the mode is no better one, a sentence; null where it is the best.</summary>
    public string? ModeReason => _queues[0].Socket.ModeReason;

    /// <summary>Gets why the frames lie in ordinary pages, a sentence; null where they lie in huge ones.</summary>
    public string? PagesReason => _arena?.PagesReason;

    /// <summary>Gets the largest frame in bytes that is taken in several chunks; 0 where none is.</summary>
    public int LargestChain => _queues[0].Socket.TakesChains ? FrameChains.LargestFrame : 0;

    /// <summary>Gets why frames beyond one chunk are left to the kernel, a sentence; null where they are taken.</summary>
    public string? ChainsReason => _queues[0].Socket.ChainsReason is { } reason
        ? $"Frames of {_device} larger than a chunk go by the kernel, since frames in several chunks cannot be had: {reason}."
        : null;

    /// <summary>Gets why redirects that fail are not counted, a sentence; null where they are.</summary>
    public string? RedirectsReason => _redirects?.Problem;

    /// <summary>Gets a value indicating whether every frame is accounted for, which it is when the device is idle.</summary>
    public bool AllFramesAccountedFor => _queues.TrueForAll(queue => queue.Read(0).Away == 0);

    /// <summary>Gets a value indicating whether every ring is empty; from any thread.</summary>
    public bool IsIdle => _queues.TrueForAll(queue => queue.IsIdle);

    /// <summary>Binds a socket to every queue of a device in the calling thread's network namespace.</summary>
    /// <param name="memory">Where the frames are to lie.</param>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device.</param>
    /// <param name="most">How many queues to bind at most; fewer are bound where fewer are switched on.</param>
    /// <param name="genericReason">Why the program runs in generic mode, or null when the driver runs it.</param>
    /// <param name="isInner">Whether the device is on the inner side.</param>
    /// <param name="chains">Whether frames are to take several chunks where the kernel and the driver can do that.</param>
    /// <returns>The queues.</returns>
    /// <exception cref="PortException">They cannot be had: one sentence says why.</exception>
    public static XdpQueues Bind(XdpMemory memory, string device, int ifindex, int most, string? genericReason, bool isInner, bool chains = true)
    {
        most = Math.Min(most, Most);
        var made = new XdpQueues(memory, device);
        try
        {
            made._arena = memory.Enter(device, ChunksFor(most));
            if (made.BindAll(made._arena, ifindex, most, genericReason, isInner, chains) is { } refused)
            {
                // What one side alone needs may still be allowed.
                made._arena = refused.Errno == Definitions.ENOBUFS && memory.EnterAlone(device, made._arena, ChunksFor(most)) is { } own ? own : throw refused;
                if (made.BindAll(own, ifindex, most, genericReason, isInner, chains) is { } again)
                {
                    throw again;
                }
            }

            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>Gives a tunnel its side of every queue of a device that several share: a further socket each, and frames to transmit.</summary>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device.</param>
    /// <param name="pools">The queues.</param>
    /// <returns>The tunnel's queues.</returns>
    /// <exception cref="PortException">They cannot be had: one sentence says why.</exception>
    public static XdpQueues Share(string device, int ifindex, IReadOnlyList<XdpPool> pools)
    {
        var made = new XdpQueues(new XdpMemory(), device);
        try
        {
            foreach (XdpPool pool in pools)
            {
                FrameSet frames = pool.Arena.Rent(pool.Frames / 2)
                    ?? throw new PortException($"no XDP on {device}: its memory has no frames left; use the UDP port", -Definitions.ENOMEM);
                XdpSocket? socket = XdpSocket.OpenGuest(pool.Home, ifindex, (uint)pool.Frames, out int error, transmits: true);
                if (socket is null)
                {
                    pool.Arena.Return(frames.Owner, byCard: false);
                    throw new PortException($"no XDP on {device}: a further socket on queue {pool.Home.Queue} cannot be had: {Errno.Describe(error)}; use the UDP port", error);
                }

                made._queues.Add(new XdpQueue(pool, socket, ifindex, frames));
            }

            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>Tells how many chunks a device's frames need.</summary>
    /// <param name="queues">How many queues it has.</param>
    /// <returns>Chunks.</returns>
    public static int ChunksFor(int queues)
    {
        queues = Math.Min(queues, Most);
        return 2 * FramesFor(queues) * queues;
    }

    /// <summary>Demands that a device can have frames of its own taken.</summary>
    /// <param name="device">Its name, for messages.</param>
    /// <param name="ifindex">Its number; 0 where there is none of that name.</param>
    /// <returns>Most receive queues it can have.</returns>
    /// <exception cref="PortException">It is not there, or no Ethernet device.</exception>
    public static int Check(string device, int ifindex)
    {
        if (ifindex == 0)
        {
            throw new PortException($"no XDP on {device}: there is no such device; \"ip link\" lists them", Definitions.ENODEV);
        }

        using var queries = new PathQueries();
        return queries.Link(ifindex) is { IsEthernet: true, Queues: int queues }
            ? queues
            : throw new PortException($"no XDP on {device}: it is no Ethernet device; name one that carries Ethernet frames", Definitions.EOPNOTSUPP);
    }

    /// <summary>Counts, from now on, frames that the program redirects in vain, too.</summary>
    /// <param name="sockets">The descriptor of the program's map of sockets.</param>
    public void WatchRedirects(int sockets) => _redirects ??= RedirectFailures.Watch(sockets);

    /// <summary>Counts what the kernel dropped since it was last counted.</summary>
    /// <param name="counters">Where.</param>
    /// <param name="isInner">Whether the device is on the inner side.</param>
    public void Count(CounterBlock counters, bool isInner)
    {
        for (int i = 0; i < _queues.Count; i++)
        {
            xdp_statistics now = _queues[i].ReadStatistics();
            ref xdp_statistics before = ref _counted[i];
            XdpDrops.Count(counters, in now, in before, isInner);
            before = now;
            long refused = _queues[i].Refused;
            XdpDrops.CountRefused(counters, refused, _refused[i], isInner);
            _refused[i] = refused;
        }

        if (_redirects is not null)
        {
            long failed = _redirects.Read();
            XdpDrops.CountRedirects(counters, failed, _failedRedirects, isInner);
            _failedRedirects = failed;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _redirects?.Dispose();
        _queues.ForEach(queue => queue.Dispose());
        if (_arena is not null)
        {
            _memory.Leave(_device, _arena);
            _arena = null;
        }
    }

    /// <summary>Tells how many frames each queue has of either kind.</summary>
    /// <param name="queues">How many queues the device has.</param>
    /// <returns>Frames.</returns>
    public static int FramesFor(int queues) => Math.Clamp(AllFrames / queues, FewestFrames, MostFrames);

    private PortException? BindAll(Arena arena, int ifindex, int most, string? genericReason, bool isInner, bool chains)
    {
        int frames = FramesFor(most);
        while (_queues.Count < most)
        {
            if (arena.Rent(frames) is not { } rented)
            {
                return new PortException($"no XDP on {_device}: its memory has no frames left; use the {(isInner ? "TUN" : "UDP")} port", -Definitions.ENOMEM);
            }

            XdpSocket? socket = XdpSocket.Open(
                arena, _device, ifindex, (uint)_queues.Count, _queues.FirstOrDefault()?.Socket, (uint)frames, genericReason, out int error, out string problem,
                rented.Receiving, chains);
            if (socket is null)
            {
                arena.Return(rented.Owner, byCard: false);

                // EINVAL: it could have more queues than are switched on now.
                return _queues.Count > 0 && error == -Definitions.EINVAL
                    ? null
                    : new PortException(isInner ? problem.Replace("use the UDP port", "use the TUN port", StringComparison.Ordinal) : problem, error);
            }

            _queues.Add(new XdpQueue(arena, socket, ifindex, rented) { BadChain = isInner ? DropReason.OutXdpBadChain : DropReason.InXdpBadChain });
        }

        return null;
    }
}
