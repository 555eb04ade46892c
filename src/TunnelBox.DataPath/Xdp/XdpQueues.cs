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

    private readonly Arena _arena;
    private readonly List<XdpQueue> _queues = [];
    private readonly xdp_statistics[] _counted = new xdp_statistics[Most];
    private readonly long[] _refused = new long[Most];
    private RedirectFailures? _redirects;
    private long _failedRedirects;

    private XdpQueues(Arena arena) => _arena = arena;

    /// <summary>Gets the queues.</summary>
    public IReadOnlyList<XdpQueue> All => _queues;

    /// <summary>Gets the mode in force.</summary>
    public XdpMode Mode => _queues[0].Socket.Mode;

    /// <summary>Gets why the mode is no better one, a sentence; null where it is the best.</summary>
    public string? ModeReason => _queues[0].Socket.ModeReason;

    /// <summary>Gets why the frames lie in ordinary pages, a sentence; null where they lie in huge ones.</summary>
    public string? PagesReason => _arena.PagesReason;

    /// <summary>Gets why redirects that fail are not counted, a sentence; null where they are.</summary>
    public string? RedirectsReason => _redirects?.Problem;

    /// <summary>Gets a value indicating whether every frame is accounted for, which it is when the device is idle.</summary>
    public bool AllFramesAccountedFor => _queues.TrueForAll(queue => queue.Read(0).Away == 0);

    /// <summary>Gets a value indicating whether every ring is empty; from any thread.</summary>
    public bool IsIdle => _queues.TrueForAll(queue => queue.IsIdle);

    /// <summary>Binds a socket to every queue of a device in the calling thread's network namespace.</summary>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device.</param>
    /// <param name="most">How many queues to bind at most; fewer are bound where fewer are switched on.</param>
    /// <param name="genericReason">Why the program runs in generic mode, or null when the driver runs it.</param>
    /// <param name="instead">What to do instead, for messages: "use the UDP port".</param>
    /// <returns>The queues.</returns>
    /// <exception cref="PortException">They cannot be had: one sentence says why.</exception>
    public static XdpQueues Bind(string device, int ifindex, int most, string? genericReason, string instead)
    {
        most = Math.Min(most, Most);
        int frames = Math.Clamp(AllFrames / most, FewestFrames, MostFrames);
        var made = new XdpQueues(Arena.Map(2 * frames * most));
        List<XdpSocket> sockets = [];
        try
        {
            while (sockets.Count < most)
            {
                XdpSocket? socket = XdpSocket.Open(
                    made._arena, device, ifindex, (uint)sockets.Count, sockets.FirstOrDefault(), (uint)frames, genericReason, out int error, out string problem,
                    sockets.Count * 2 * frames);
                if (socket is not null)
                {
                    sockets.Add(socket);
                }
                else if (sockets.Count > 0 && error == -Definitions.EINVAL)
                {
                    // It could have more queues than are switched on now.
                    break;
                }
                else
                {
                    throw new PortException(problem.Replace("use the UDP port", instead, StringComparison.Ordinal), error);
                }
            }

            for (int i = 0; i < sockets.Count; i++)
            {
                made._queues.Add(new XdpQueue(made._arena, sockets[i], ifindex, i * 2 * frames, frames));
            }

            return made;
        }
        catch
        {
            sockets.ForEach(socket => socket.Dispose());
            made._arena.Dispose();
            throw;
        }
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
        _arena.Dispose();
    }
}
