using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>What a <see cref="LanWatch"/> looks after.</summary>
/// <param name="Device">The device of the local network, by name.</param>
/// <param name="Link">The same by number.</param>
/// <param name="Tunnel">The TUN device's number.</param>
internal sealed record LanWatchOptions(string Device, int Link, int Tunnel)
{
    /// <summary>Gets what reads every peer's allowed IPs.</summary>
    public required Func<AllowedIps<Peer>> AllowedIps { get; init; }

    /// <summary>Gets what is called each second, on the watch's thread; a reason ends the watch.</summary>
    public required Func<(XdpEnd End, string Why)?> EverySecond { get; init; }

    /// <summary>Gets what is told once that the device cannot be served any more, and why, on the watch's thread.</summary>
    public required Action<XdpEnd, string> Ended { get; init; }
}

/// <summary>
/// Keeps the inner program in step with the peers' allowed IPs, and workers with the kernel's tables of a local network, on a thread
/// of its own: at once when either tells of a change. Workers read an immutable snapshot.
/// </summary>
internal sealed unsafe class LanWatch : IDisposable
{
    private const long Second = 1000;

    // A busy network tells of changes all the time; one look for many of them is soon enough.
    private const int Pause = 50;

    // A neighbour whose packets pause for a moment is not let go.
    private const int SecondsInUse = 30;

    private readonly LanWatchOptions _options;
    private readonly InnerProgram _program;
    private readonly PrefixMirror _mirror;
    private readonly OwnAddresses _own;
    private readonly PathQueries _queries = new();
    private readonly NeighbourKeeper _keeper;
    private readonly HashSet<System.Net.IPAddress> _inUse = [];
    private readonly NetworkSettings _settings = NetworkSettings.Open();
    private readonly PathEvents _events = PathEvents.Open();
    private readonly WakeEvent _wake = new();
    private readonly Thread _thread;
    private AllowedIps<Peer>? _allowed;
    private volatile bool _stopping;
    private int _servedMtu;
    private int _seconds;
    private ulong _servedMac;

    /// <summary>Opens the watch in the calling thread's network namespace and looks for the first time; <see cref="Start"/> starts its thread.</summary>
    /// <param name="options">What to watch.</param>
    /// <param name="program">The program, not owned.</param>
    /// <param name="mtu">The tunnel's MTU in bytes.</param>
    /// <exception cref="NetlinkException">The kernel refuses.</exception>
    /// <exception cref="PortException">The program cannot hold the prefixes.</exception>
    public LanWatch(LanWatchOptions options, InnerProgram program, int mtu)
    {
        _options = options;
        _program = program;
        View.TunnelMtu = mtu;
        _mirror = new PrefixMirror(program);
        _own = new OwnAddresses(program);
        _keeper = new NeighbourKeeper(options.Link);
        _thread = new Thread(Run) { Name = "tb-lan", IsBackground = true };
        string? problem = Look(told: true);
        if (problem is not null)
        {
            Release();
            throw new PortException(problem);
        }
    }

    /// <summary>Gets what workers see.</summary>
    public LanView View { get; } = new();

    /// <summary>Gets how many prefixes the program has.</summary>
    public int Prefixes => _mirror.Count;

    /// <summary>Starts the thread.</summary>
    public void Start() => _thread.Start();

    /// <summary>Sets the tunnel's MTU; any thread.</summary>
    /// <param name="mtu">Bytes.</param>
    public void SetTunnelMtu(int mtu)
    {
        View.TunnelMtu = mtu;
        _wake.Set();
    }

    /// <summary>Has the watch look at the allowed IPs; any thread.</summary>
    public void Wake() => _wake.Set();

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        Release();
    }

    /// <summary>Looks at what may have changed and publishes what is different.</summary>
    /// <param name="told">Whether the kernel told of a change.</param>
    /// <returns>Why the device cannot be served any more, a sentence; null while it can.</returns>
    internal string? Look(bool told)
    {
        AllowedIps<Peer> allowed = _options.AllowedIps();
        int mtu = View.TunnelMtu;
        if (!told && ReferenceEquals(allowed, _allowed) && mtu == _servedMtu)
        {
            return null;
        }

        if (_queries.Link(_options.Link) is not { } link)
        {
            return $"no XDP on {_options.Device}: the device is gone";
        }

        List<Route> routes = [.. _settings.Routes(ipv6: false), .. _settings.Routes(ipv6: true)];
        View.Tables = LanTables.Make(_options.Link, in link, _options.Tunnel, routes, Neighbours(), _settings.Addresses());
        int error = _own.Follow(routes);
        error = error < 0 ? error : _mirror.Follow(PrefixMirror.Owners(allowed.ToList().Select(each => each.Prefix), routes, _options.Tunnel));
        if (error == 0 && (link.Mac != _servedMac || mtu != _servedMtu))
        {
            error = _program.Serve(link.Mac, mtu);
        }

        _allowed = allowed;
        _servedMac = link.Mac;
        _servedMtu = mtu;
        return error < 0 ? $"no XDP on {_options.Device}: the kernel does not take the prefixes of the allowed IPs and of its own addresses: {Errno.Describe(error)}" : null;
    }

    // A neighbour that stays the same keeps its object, and with it the note that it is used.
    private Dictionary<HostAddress, LanNeighbour> Neighbours()
    {
        Dictionary<(System.Net.IPAddress, ulong), LanNeighbour> before = [];
        foreach (LanNeighbour neighbour in View.Tables.Neighbours)
        {
            before[(neighbour.Address, neighbour.Mac)] = neighbour;
        }

        Dictionary<HostAddress, LanNeighbour> after = [];
        foreach ((System.Net.IPAddress address, ulong mac) in _queries.Neighbours(_options.Link))
        {
            after[HostAddress.From(address)] = before.GetValueOrDefault((address, mac)) ?? new LanNeighbour(address, mac);
        }

        return after;
    }

    private void Run()
    {
        pollfd* polled = stackalloc pollfd[2];
        long next = Environment.TickCount64 + Second;
        while (!_stopping)
        {
            polled[0] = new pollfd { fd = _wake.Descriptor, events = Definitions.POLLIN };
            polled[1] = new pollfd { fd = _events.Descriptor, events = Definitions.POLLIN };
            long wait = Math.Clamp(next - Environment.TickCount64, 0, Second);
            timespec time = new() { tv_sec = wait / 1000, tv_nsec = wait % 1000 * 1_000_000 };
            _ = LibC.ppoll(polled, 2, &time);
            if (polled[0].revents != 0)
            {
                _wake.Reset();
            }

            bool told = polled[1].revents != 0 && _events.Take();
            bool tick = Environment.TickCount64 >= next;
            if (_stopping)
            {
                return;
            }

            (XdpEnd End, string Why)? problem = Guarded(told) is { } why ? (XdpEnd.Gone, why) : null;
            if (tick && problem is null)
            {
                next = Environment.TickCount64 + Second;
                UseNeighbours();
                problem = _options.EverySecond();
            }

            if (problem is { } end)
            {
                _options.Ended(end.End, end.Why);
                return;
            }

            if (told)
            {
                Thread.Sleep(Pause);
            }
        }
    }

    private string? Guarded(bool told)
    {
        try
        {
            return Look(told);
        }
        catch (NetlinkException)
        {
            // A lack of memory, or an answer that did not come: what is known stays, and in a second comes the next look.
            _allowed = null;
            return null;
        }
    }

    // As sending through the kernel would: whether they still answer is asked again now and then.
    private void UseNeighbours()
    {
        if (++_seconds % SecondsInUse == 0)
        {
            _inUse.Clear();
        }

        _inUse.UnionWith(View.Tables.Neighbours.Where(neighbour => neighbour.WasUsed()).Select(neighbour => neighbour.Address));
        _keeper.Keep(_inUse);
    }

    private void Release()
    {
        _events.Dispose();
        _keeper.Dispose();
        _queries.Dispose();
        _settings.Dispose();
        _wake.Dispose();
    }
}
