using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>How an inner AF_XDP side is opened.</summary>
/// <param name="Device">The name of the local network's device.</param>
/// <param name="Tunnel">The number of the TUN device, which stays beside it.</param>
/// <param name="Mtu">The tunnel's MTU in bytes.</param>
public sealed record XdpGatewayOptions(string Device, int Tunnel, int Mtu)
{
    /// <summary>Gets where drops are counted that only the kernel knows of; nobody else counts there.</summary>
    public required CounterBlock Counters { get; init; }

    /// <summary>Gets what reads every peer's allowed IPs.</summary>
    public required Func<AllowedIps<Peer>> AllowedIps { get; init; }

    /// <summary>Gets the memory that both sides take their frames from; one of its own where left out.</summary>
    public XdpMemory? Memory { get; init; }

    /// <summary>Gets what is told once, from another thread, that this side should be closed: why, and in which words.</summary>
    public required Action<XdpEnd, string> Ended { get; init; }

    /// <summary>Gets the workers of the first queues, as <see cref="Xdp.QueueMap"/> has them; none takes the workers in turn.</summary>
    public IReadOnlyList<int> QueueMap { get; init; } = [];

    /// <summary>Gets a value indicating whether it is opened although a firewall looks at forwarded packets, which it goes past.</summary>
    public bool PastFirewall { get; init; }
}

/// <summary>
/// The inner side on one Ethernet device over AF_XDP, which makes this machine a gateway of a local network: the program, a socket for
/// every queue, the kernel's tables, and a port for each worker. The TUN device stays as it is underneath.
/// </summary>
public sealed class XdpGateway : IDisposable
{
    private const int DrainMilliseconds = 100;

    // Listing a large firewall costs a few milliseconds.
    private const int SecondsBetweenFirewallLooks = 3;

    private readonly XdpGatewayOptions _options;
    private readonly InnerProgram _program;
    private readonly XdpQueues _queues;
    private readonly LanWatch _watch;
    private readonly EthtoolChannels _channels = new();
    private readonly XdpHealth _health;
    private readonly int _ifindex;
    private readonly Lock _gate = new();
    private XdpGuests? _guests;
    private string? _spreadNote;
    private int? _switchedOn;
    private QueueMap _map = new(1, []);
    private int _seconds;
    private bool _detached;
    private bool _disposed;

    private XdpGateway(XdpGatewayOptions options, InnerProgram program, XdpQueues queues, int ifindex)
    {
        _options = options;
        _program = program;
        _queues = queues;
        _ifindex = ifindex;
        _health = new XdpHealth(queues.All.Count);
        _watch = new LanWatch(
            new LanWatchOptions(options.Device, ifindex, options.Tunnel) { AllowedIps = options.AllowedIps, EverySecond = EverySecond, Ended = options.Ended },
            program,
            options.Mtu);
    }

    /// <summary>Gets the device's name.</summary>
    public string Device => _options.Device;

    /// <summary>Gets the mode in force.</summary>
    public XdpMode Mode => _queues.Mode;

    /// <summary>Gets why the mode is no better one, a sentence; null where it is the best.</summary>
    public string? ModeReason => _queues.ModeReason;

    /// <summary>Gets what else people should know of this side, a sentence each.</summary>
    public IReadOnlyList<string> Notes => [.. new[] { _queues.PagesReason, _queues.ChainsReason, ChainsNote, _queues.RedirectsReason, _spreadNote }.OfType<string>()];

    /// <summary>Gets how many queues are bound.</summary>
    public int Queues => _queues.All.Count;

    /// <summary>Gets how many prefixes the program looks destinations up in.</summary>
    public int Prefixes => _watch.Prefixes;

    /// <summary>Gets what looks at forwarded packets and does not see those that pass here, or null.</summary>
    public string? Bypassed { get; private init; }

    /// <summary>Gets the ports, one for each worker.</summary>
    public IReadOnlyList<IPort> Ports { get; private set; } = [];

    /// <summary>Gets a value indicating whether every frame is accounted for, which it is when the device is idle.</summary>
    public bool AllFramesAccountedFor => _queues.AllFramesAccountedFor;

    /// <summary>Attaches to a device in the calling thread's network namespace; from then on, packets to the peers come past the kernel.</summary>
    /// <param name="options">How.</param>
    /// <param name="tun">The TUN device's ports, one for each worker; they must outlive this object.</param>
    /// <returns>The open side.</returns>
    /// <exception cref="PortException">It cannot be: one sentence says why.</exception>
    public static XdpGateway Open(XdpGatewayOptions options, IReadOnlyList<IPort> tun)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(tun);
        InnerProgram? program = null;
        XdpQueues? queues = null;
        try
        {
            string? rules = ForwardRules.Find();
            if (rules is not null && !options.PastFirewall)
            {
                throw new PortException(Refusal(options.Device, rules));
            }

            int ifindex = XdpOuter.IndexOf(options.Device);
            int most = XdpQueues.Check(options.Device, ifindex);
            program = InnerProgram.Attach(options.Device, ifindex);
            int? switchedOn = XdpOuter.SwitchedOn(ifindex);
            queues = XdpQueues.Bind(options.Memory ?? new XdpMemory(options.Device), options.Device, ifindex, switchedOn ?? most, program.GenericReason, isInner: true);
            var gateway = new XdpGateway(options, program, queues, ifindex) { Bypassed = rules, _switchedOn = switchedOn };
            gateway.Serve(tun, ifindex);
            return gateway;
        }
        catch (Exception fault)
        {
            program?.Dispose();
            queues?.Dispose();
            throw fault is NetlinkException ? new PortException($"no XDP on {options.Device}: {fault.Message}", fault) : fault;
        }
    }

    /// <summary>Reads where the frames of every queue are; from any thread.</summary>
    /// <returns>A state for each queue; none when this side is closed.</returns>
    public IReadOnlyList<XdpQueueState> ReadQueues()
    {
        lock (_gate)
        {
            return _disposed ? [] : [.. _queues.All.Select((queue, index) => queue.Read(_map.WorkerOf(index)))];
        }
    }

    /// <summary>Sets the tunnel's MTU.</summary>
    /// <param name="mtu">Bytes.</param>
    public void SetMtu(int mtu) => _watch.SetTunnelMtu(mtu);

    /// <summary>Has the program follow the peers' allowed IPs, which were changed.</summary>
    public void AllowedIpsChanged() => _watch.Wake();

    /// <summary>Gives the device's traffic back to the kernel and waits, at most 100 ms, until the workers have taken what had arrived.</summary>
    public void Detach()
    {
        if (_detached)
        {
            return;
        }

        _detached = true;
        _watch.Dispose();
        _program.Dispose();
        long until = Environment.TickCount64 + DrainMilliseconds;
        while (!_queues.IsIdle && Environment.TickCount64 < until)
        {
            Thread.Sleep(1);
        }
    }

    /// <summary>Releases everything; the workers must have stopped.</summary>
    public void Dispose()
    {
        if (!_detached)
        {
            _detached = true;
            _watch.Dispose();
            _program.Dispose();
        }

        _queues.Count(_options.Counters, isInner: true);
        foreach (IPort port in Ports)
        {
            port.Dispose();
        }

        lock (_gate)
        {
            _disposed = true;
            _guests?.Dispose();
            _queues.Dispose();
        }

        _channels.Dispose();
    }

    // A worker's further sockets take frames of one chunk alone.
    private string? ChainsNote => _guests is not null && _queues.LargestChain > 0 ? $"Frames of {Device} larger than a chunk go by the kernel while there are more workers than queues." : null;

    private static string Refusal(string device, string rules) =>
        $"no XDP on {device}: {rules} decides on forwarded packets, which would go past it; remove its rules, or set InnerPastFirewall to true";

    private void Serve(IReadOnlyList<IPort> tun, int ifindex)
    {
        string name = $"xdp {Device} {Mode.ToString().ToLowerInvariant()}";

        // Of cards alone it is sure that a frame was on a wire; what the kernel made a packet of first may still be unfinished.
        bool isVirtual = Mode == XdpMode.Generic;
        using (NetworkSettings settings = NetworkSettings.Open())
        {
            isVirtual |= settings.FindLink(ifindex)?.Kind.Length > 0;
        }

        try
        {
            _map = new QueueMap(tun.Count, _options.QueueMap);
            _queues.WatchRedirects(_program.Sockets);

            // Where each worker has a queue, the card's own hash has parted the flows already, and frames stay with the queue that they belong to.
            if (tun.Count > Queues && tun.Count <= InnerProgram.MostWorkers)
            {
                _guests = XdpGuests.Make(Device, ifindex, _queues.All, _map, out _spreadNote);
            }

            Ports = [.. tun.Select((port, worker) => (IPort)new GatewayPort(
                port,
                _map.Of(_queues.All, worker),
                _watch.View,
                name,
                isVirtual,
                _guests?.Of(worker),
                _guests?.WakeOf(worker)))];
            for (int i = 0; i < _queues.All.Count; i++)
            {
                int error = _program.Bind((uint)i, _queues.All[i].Socket.Descriptor);
                if (error < 0)
                {
                    throw new PortException($"no XDP on {Device}: queue {i} cannot be given its socket: {Linux.Libc.Errno.Describe(error)}; use the TUN port", error);
                }
            }

            Spread();
            _ = _program.TakeUpTo(_guests is null ? _queues.LargestChain : 0);
            _watch.Start();
        }
        catch
        {
            _watch.Dispose();
            _guests?.Dispose();
            throw;
        }
    }

    private void Spread()
    {
        if (_guests is not { } guests)
        {
            return;
        }

        (int queue, int worker, int error) = guests.Bind((at, socket, whose) => _program.Bind(at, socket, whose));
        error = error < 0 ? error : _program.Spread(_map.Workers);
        if (error < 0)
        {
            throw new PortException($"no XDP on {Device}: queue {queue} cannot be given a socket of worker {worker}: {Linux.Libc.Errno.Describe(error)}; use the TUN port", error);
        }
    }

    private (XdpEnd End, string Why)? EverySecond()
    {
        _queues.Count(_options.Counters, isInner: true);
        return Firewall() is { } rules ? (XdpEnd.Refused, rules) : Devices();
    }

    private (XdpEnd End, string Why)? Devices()
    {
        if (!_watch.View.Tables.IsRunning)
        {
            _health.Reset();
            return null;
        }

        int? switchedOn = _channels.Receiving(_ifindex);
        if (switchedOn != _switchedOn && switchedOn is not null && Math.Min(switchedOn.Value, XdpQueues.Most) != Queues)
        {
            return (XdpEnd.Changed, $"{Device} has {switchedOn} queues now instead of {Queues}");
        }

        for (int i = 0; i < _queues.All.Count; i++)
        {
            XdpQueue queue = _queues.All[i];
            queue.Nudge();
            if (_health.Look(i, queue.SendError, queue.Waiting, queue.Progress) is { } fault)
            {
                return (XdpEnd.Failed, $"no XDP on {Device} for now: {fault}");
            }
        }

        return null;
    }

    private string? Firewall()
    {
        if (_options.PastFirewall || ++_seconds % SecondsBetweenFirewallLooks != 0)
        {
            return null;
        }

        try
        {
            return ForwardRules.Find() is { } rules ? Refusal(Device, rules) : null;
        }
        catch (NetlinkException)
        {
            // Rules that changed under the reading: the next look comes soon.
            return null;
        }
    }
}
