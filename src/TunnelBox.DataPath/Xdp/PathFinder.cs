using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Knows the way to every endpoint over one device, by asking the kernel's tables on a thread of its own: at once when they
/// tell of a change, and each second, since what is learnt of a path's MTU is not told. Workers read an immutable snapshot.
/// </summary>
internal sealed unsafe class PathFinder : IDisposable
{
    private const int MostAsked = 4096;
    private const int IdleSeconds = 60;
    private const long Second = 1000;

    // A busy neighbourhood tells of changes all the time; one look for many of them is soon enough.
    private const int Pause = 20;

    private readonly string _device;
    private readonly int _ifindex;
    private readonly ushort _port;
    private readonly Action<IReadOnlyList<LinkAddress>> _addressesRead;
    private readonly Action _everySecond;
    private readonly Action _gone;
    private readonly PathQueries _queries = new();
    private readonly PathEvents _events = PathEvents.Open();
    private readonly ConcurrentQueue<Endpoint> _asked = new();
    private readonly WakeEvent _wake = new();
    private readonly HashSet<(IPAddress Address, int Link)> _local = [];
    private readonly HashSet<IPAddress> _nextHops = [];
    private readonly NeighbourKeeper _keeper;
    private readonly Dictionary<IPAddress, ulong> _neighbours = [];
    private readonly Dictionary<Endpoint, int> _idle = [];
    private readonly byte[] _hopLimits = new byte[2];
    private readonly Thread _thread;
    private volatile Dictionary<Endpoint, XdpPath> _snapshot = [];
    private volatile bool _stopping;
    private volatile bool _told = true;
    private uint _mark;

    /// <summary>Opens the finder in the calling thread's network namespace; <see cref="Start"/> starts its thread.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="ifindex">The device.</param>
    /// <param name="port">Our UDP port.</param>
    /// <param name="mark">The firewall mark.</param>
    /// <param name="addressesRead">Is told of this machine's addresses, on the finder's thread.</param>
    /// <param name="everySecond">Is called each second, on the finder's thread.</param>
    /// <param name="gone">Is told once that the device was deleted, on the finder's thread.</param>
    /// <exception cref="NetlinkException">The kernel refuses a socket.</exception>
    public PathFinder(
        string device, int ifindex, ushort port, uint mark, Action<IReadOnlyList<LinkAddress>> addressesRead, Action everySecond, Action gone)
    {
        _device = device;
        _ifindex = ifindex;
        _port = port;
        _mark = mark;
        _addressesRead = addressesRead;
        _everySecond = everySecond;
        _gone = gone;
        _keeper = new NeighbourKeeper(ifindex);
        _thread = new Thread(Run) { Name = "tb-paths", IsBackground = true };
        Look(tick: false);
    }

    /// <summary>Gets the ways that are known. The dictionary never changes; another one takes its place.</summary>
    public Dictionary<Endpoint, XdpPath> Snapshot => _snapshot;

    /// <summary>Takes ways from the caller instead of the kernel; not together with <see cref="Start"/>.</summary>
    /// <param name="ways">The ways, never changed again.</param>
    internal void Publish(Dictionary<Endpoint, XdpPath> ways) => _snapshot = ways;

    /// <summary>Gets how the device was when it was last looked at; null when it was gone.</summary>
    public PathLink? Link { get; private set; }

    /// <summary>Sets the firewall mark, which policy rules look at.</summary>
    /// <param name="mark">The mark; 0 for none.</param>
    public void SetMark(uint mark)
    {
        Volatile.Write(ref _mark, mark);
        _told = true;
        _wake.Set();
    }

    /// <summary>Starts the thread.</summary>
    public void Start() => _thread.Start();

    /// <summary>Asks for the way to an endpoint that the snapshot does not know; any thread.</summary>
    /// <param name="endpoint">The endpoint.</param>
    public void Ask(Endpoint endpoint)
    {
        if (_asked.Count < MostAsked)
        {
            _asked.Enqueue(endpoint);
            _wake.Set();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        _events.Dispose();
        _keeper.Dispose();
        _queries.Dispose();
        _wake.Dispose();
    }

    /// <summary>Looks at everything anew and publishes what is different.</summary>
    /// <param name="tick">Whether a second has passed.</param>
    /// <returns>False when the device is gone.</returns>
    internal bool Look(bool tick)
    {
        PathLink? link = _queries.Link(_ifindex);
        Link = link;
        if (_told)
        {
            _told = false;
            ReadAddresses();
        }

        _neighbours.Clear();
        _nextHops.Clear();
        Array.Clear(_hopLimits);
        Dictionary<Endpoint, XdpPath> before = _snapshot;
        var after = new Dictionary<Endpoint, XdpPath>(before.Count);
        bool changed = false;
        foreach ((Endpoint endpoint, XdpPath path) in before)
        {
            bool used = false;
            if (tick && IsIdle(endpoint, path, out used))
            {
                changed = true;
                continue;
            }

            XdpPath renewed = Renew(endpoint, path, link, refresh: used);
            changed |= !ReferenceEquals(renewed, path);
            after[endpoint] = renewed;
        }

        while (_asked.TryDequeue(out Endpoint? endpoint))
        {
            if (!after.ContainsKey(endpoint))
            {
                after[endpoint] = Renew(endpoint, null, link, refresh: false);
                changed = true;
            }
        }

        if (changed)
        {
            _snapshot = after;
        }

        if (tick)
        {
            // As sending through the kernel would: whether they still answer is asked again now and then.
            _keeper.Keep(_nextHops);
        }

        return link is not null;
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

            bool tick = Environment.TickCount64 >= next;
            _told |= polled[1].revents != 0 && _events.Take();
            if (_stopping)
            {
                return;
            }

            if (!Guarded(tick))
            {
                _gone();
                return;
            }

            if (tick)
            {
                next = Environment.TickCount64 + Second;
                _everySecond();
            }

            if (polled[1].revents != 0)
            {
                Thread.Sleep(Pause);
            }
        }
    }

    private bool Guarded(bool tick)
    {
        try
        {
            return Look(tick);
        }
        catch (NetlinkException)
        {
            // A lack of memory, or an answer that did not come: what is known stays, and in a second comes the next look.
            _told = true;
            return true;
        }
    }

    private void ReadAddresses()
    {
        IReadOnlyList<LinkAddress> addresses = _queries.Addresses();
        _local.Clear();
        foreach (LinkAddress address in addresses)
        {
            _local.Add((Plain(address.Address), address.LinkIndex));
        }

        _addressesRead(addresses);
    }

    private bool IsIdle(Endpoint endpoint, XdpPath path, out bool used)
    {
        used = path.WasUsed();
        if (used)
        {
            _idle.Remove(endpoint);
            return false;
        }

        int seconds = _idle.GetValueOrDefault(endpoint) + 1;
        _idle[endpoint] = seconds;
        if (seconds < IdleSeconds)
        {
            return false;
        }

        _idle.Remove(endpoint);
        return true;
    }

    private XdpPath Renew(Endpoint endpoint, XdpPath? path, PathLink? link, bool refresh)
    {
        XdpWay? way = link is { IsRunning: true } up ? Find(endpoint, up) : null;
        if (path is not null && path.Way == way)
        {
            return path;
        }

        var made = new XdpPath(endpoint.Remote, _port, way);
        if (refresh)
        {
            made.Use();
        }

        return made;
    }

    private XdpWay? Find(Endpoint endpoint, in PathLink link)
    {
        IPAddress remote = Address(endpoint.Remote.Address, endpoint.Remote.IsIPv6);
        (ushort, ushort) ports = (_port, endpoint.Remote.Port);
        uint mark = Volatile.Read(ref _mark);
        int scope = (int)endpoint.Remote.ScopeId;
        IPAddress? source = endpoint.Local.Address != 0 && !endpoint.SourceStale ? Address(endpoint.Local.Address, endpoint.Remote.IsIPv6) : null;
        if (source is not null && !IsLocal(source))
        {
            source = null;
            endpoint.SourceStale = true;
        }

        PathRoute? route = _queries.Route(remote, source, ports, mark, scope);
        if (source is not null && endpoint.Local.InterfaceIndex == _ifindex && route?.LinkIndex != _ifindex)
        {
            // The way leads elsewhere now: the source that belonged to the old one is not held on to.
            source = null;
            endpoint.SourceStale = true;
            route = _queries.Route(remote, null, ports, mark, scope);
        }

        source ??= route?.Source;
        if (route is null || route.LinkIndex != _ifindex || source is null || link.Mac == 0)
        {
            return null;
        }

        if (!_neighbours.TryGetValue(route.NextHop, out ulong mac))
        {
            mac = _queries.Neighbour(_ifindex, route.NextHop);
            _neighbours[route.NextHop] = mac;
        }

        _nextHops.Add(route.NextHop);

        int mtu = route.Mtu == 0 ? link.Mtu : Math.Min(route.Mtu, link.Mtu);
        byte hops = route.HopLimit == 0 ? HopLimit(endpoint.Remote.IsIPv6) : route.HopLimit;
        return mac == 0 ? null : new XdpWay(Number(source), link.Mac, mac, hops, mtu);
    }

    private bool IsLocal(IPAddress address)
    {
        foreach ((IPAddress own, int link) in _local)
        {
            if (own.Equals(address) && (link == _ifindex || !address.IsIPv6LinkLocal))
            {
                return true;
            }
        }

        return false;
    }

    private byte HopLimit(bool isIPv6)
    {
        ref byte known = ref _hopLimits[isIPv6 ? 1 : 0];
        if (known == 0)
        {
            known = ReadHopLimit(isIPv6);
        }

        return known;
    }

    private byte ReadHopLimit(bool isIPv6)
    {
        string file = isIPv6 ? $"/proc/sys/net/ipv6/conf/{_device}/hop_limit" : "/proc/sys/net/ipv4/ip_default_ttl";
        try
        {
            return byte.TryParse(File.ReadAllText(file).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out byte limit) && limit > 0 ? limit : (byte)64;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return 64;
        }
    }

    private static IPAddress Plain(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 && address.ScopeId != 0 ? new IPAddress(address.GetAddressBytes()) : address;

    private static IPAddress Address(UInt128 address, bool isIPv6) =>
        Plain(new EndpointAddress(address, 1, isIPv6, 0).ToIPEndPoint().Address);

    private static UInt128 Number(IPAddress address) => EndpointAddress.From(new IPEndPoint(address, 1)).Address;
}
