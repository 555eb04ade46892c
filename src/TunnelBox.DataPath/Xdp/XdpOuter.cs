using System.Text;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>How an outer AF_XDP side is opened.</summary>
/// <param name="Device">The device's name.</param>
/// <param name="Mark">The firewall mark of outgoing packets, 0 for none.</param>
public sealed record XdpOuterOptions(string Device, uint Mark)
{
    /// <summary>Gets where drops are counted that only the kernel knows of; nobody else counts there.</summary>
    public required CounterBlock Counters { get; init; }

    /// <summary>Gets the microseconds that receiving polls the device instead of waiting for its interrupts, 0 for not at all.</summary>
    public int BusyPoll { get; init; }

    /// <summary>Gets the folder in which stands what a killed process leaves to be put right; null keeps nothing.</summary>
    public string? RuntimeDirectory { get; init; }

    /// <summary>Gets who is told of steering rules as they change; null steers nothing and drops nothing early.</summary>
    public TunnelTrace? Steering { get; init; }

    /// <summary>Gets what gives the peers whose datagrams the card is to steer; null leaves the card alone.</summary>
    public Func<IReadOnlyList<Peer>>? SteerInCard { get; init; }

    /// <summary>Gets which worker owns each peer; null where it does not matter.</summary>
    public Ownership? Owners { get; init; }

    /// <summary>Gets the workers of the first queues, as <see cref="Xdp.QueueMap"/> has them; none takes the workers in turn.</summary>
    public IReadOnlyList<int> QueueMap { get; init; } = [];

    /// <summary>Gets the memory that both sides take their frames from; one of its own where left out.</summary>
    public XdpMemory? Memory { get; init; }

    /// <summary>Gets the devices that several tunnels of this process use, this one among them; null where it has the device alone.</summary>
    public XdpDevices? Shared { get; init; }

    /// <summary>Gets the tunnel's name, for the others that share the device.</summary>
    public string Tunnel { get; init; } = string.Empty;

    /// <summary>
    /// Gets what is told once, from another thread, that this side should be closed: why, and in which words. Until it is, datagrams
    /// go by it as far as they can.
    /// </summary>
    public required Action<XdpEnd, string> Ended { get; init; }
}

/// <summary>Why an outer AF_XDP side should be closed.</summary>
public enum XdpEnd
{
    /// <summary>The device was deleted.</summary>
    Gone,

    /// <summary>The device takes no frames any more.</summary>
    Failed,

    /// <summary>The device is no longer as it was when it was opened: open it again.</summary>
    Changed,

    /// <summary>A firewall came that may not be gone past.</summary>
    Refused,
}

/// <summary>
/// The outer side on one Ethernet device over AF_XDP: the program, a socket for every queue, their memory, and the ways to the
/// endpoints; and a port for each worker. The UDP sockets stay as they are underneath.
/// </summary>
public sealed unsafe partial class XdpOuter : IDisposable
{
    private const int DrainMilliseconds = 100;

    private readonly OuterProgram _program;
    private readonly XdpQueues _queues;
    private readonly ushort _port;
    private readonly int _ifindex;
    private readonly CounterBlock _counters;
    private readonly Lock _gate = new();
    private readonly EthtoolChannels _channels = new();
    private readonly Action<XdpEnd, string> _ended;
    private XdpHealth _health = null!;
    private BusyPolling? _busyPolling;
    private PathFinder _paths = null!;
    private int? _switchedOn;
    private QueueMap _map = new(1, []);
    private bool _told;
    private volatile bool _detached;
    private bool _disposed;

    private XdpOuter(XdpOuterOptions options, OuterProgram program, XdpQueues queues, ushort port, int ifindex)
    {
        Device = options.Device;
        _counters = options.Counters;
        _ended = options.Ended;
        _program = program;
        _queues = queues;
        _port = port;
        _ifindex = ifindex;
        _options = options;
    }

    /// <summary>Gets the device's name.</summary>
    public string Device { get; }

    /// <summary>Gets the mode in force.</summary>
    public XdpMode Mode => _queues.Mode;

    /// <summary>Gets why the mode is no better one, a sentence; null where it is the best.</summary>
    public string? ModeReason => _queues.ModeReason;

    /// <summary>Gets what else people should know of this side, a sentence each.</summary>
    public IReadOnlyList<string> Notes =>
        [.. new[] { _queues.PagesReason ?? _part?.PagesReason, _part is null ? _queues.ChainsReason : SharedNote, ChainsNote, _queues.RedirectsReason, _ownersNote, SumsNote, _busyPolling?.Problem }.OfType<string>()];

    /// <summary>Gets how many queues are bound.</summary>
    public int Queues => _queues.All.Count;

    /// <summary>Gets a value indicating whether the device finishes the checksums of datagrams, because its driver offers it (netdev generic netlink).</summary>
    public bool DeviceSums => _queues.All[0].DeviceSums;

    /// <summary>Gets the ports, one for each worker.</summary>
    public IReadOnlyList<IPort> Ports { get; private set; } = [];

    /// <summary>Gets a value indicating whether every frame is accounted for, which in copy mode it is when the device is idle.</summary>
    public bool AllFramesAccountedFor => ReadQueues().All(queue => queue.Away == 0);

    /// <summary>Attaches to a device in the calling thread's network namespace; from then on, datagrams to the sockets' port come past the kernel.</summary>
    /// <param name="options">How.</param>
    /// <param name="sockets">The UDP sockets underneath; they must outlive this object.</param>
    /// <returns>The open side.</returns>
    /// <exception cref="PortException">It cannot be: one sentence says why.</exception>
    public static XdpOuter Open(XdpOuterOptions options, UdpSockets sockets)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(sockets);
        int ifindex = IndexOf(options.Device);
        if (options.Shared is not null)
        {
            return OpenShared(options, options.Shared, sockets, ifindex);
        }

        int most = XdpQueues.Check(options.Device, ifindex);
        OuterProgram program = OuterProgram.Attach(options.Device, ifindex);
        XdpQueues? queues = null;
        XdpOuter? outer = null;
        try
        {
            int? switchedOn = SwitchedOn(ifindex);
            queues = XdpQueues.Bind(
                options.Memory ?? new XdpMemory(options.Device), options.Device, ifindex, switchedOn ?? most, program.GenericReason, isInner: false);
            outer = new XdpOuter(options, program, queues, sockets.Port, ifindex) { _switchedOn = switchedOn };
            if (options.BusyPoll > 0)
            {
                outer._busyPolling = BusyPolling.Begin(options.Device, options.BusyPoll, queues.All, options.RuntimeDirectory);
            }

            outer.Begin(sockets);
            return outer;
        }
        catch (Exception fault)
        {
            outer?.Flows?.Dispose();
            program.Dispose();
            outer?._paths?.Dispose();
            outer?._busyPolling?.Dispose();
            outer?._channels.Dispose();
            outer?.CloseGuests();
            queues?.Dispose();
            throw Named(options.Device, fault);
        }
    }

    /// <summary>Puts back what busy polling changed at devices of the calling thread's network namespace, where the process that did so is gone.</summary>
    /// <param name="directory">The folder that <see cref="XdpOuterOptions.RuntimeDirectory"/> was.</param>
    /// <returns>The devices' names.</returns>
    public static IReadOnlyList<string> RestoreInterrupts(string directory) => DeferredInterrupts.RestoreLeft(directory);

    /// <summary>Reads the number of a device in the calling thread's network namespace.</summary>
    /// <param name="device">Its name.</param>
    /// <returns>The number; 0 where there is none of that name.</returns>
    public static int IndexOf(string device)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(device + '\0'))
        {
            return (int)LibC.if_nametoindex(name);
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

    /// <summary>Sets the firewall mark, which decides on routes.</summary>
    /// <param name="mark">The mark; 0 for none.</param>
    public void SetMark(uint mark) => _paths.SetMark(mark);

    /// <summary>
    /// Gives the device's traffic back to the kernel and waits, at most 100 ms, until the workers have taken what had arrived.
    /// </summary>
    public void Detach()
    {
        if (_detached)
        {
            return;
        }

        _detached = true;
        DetachProgram();
        long until = Environment.TickCount64 + DrainMilliseconds;
        while (!_queues.IsIdle && Environment.TickCount64 < until)
        {
            Thread.Sleep(1);
        }
    }

    /// <summary>Releases everything; the workers must have stopped.</summary>
    public void Dispose()
    {
        _paths.Dispose();
        _detached = true;
        Flows?.Dispose();
        DetachProgram();
        _busyPolling?.Dispose();
        Count();
        if (_part is null)
        {
            _program.Dispose();
        }

        lock (_gate)
        {
            _disposed = true;
            CloseGuests();
            _queues.Dispose();
        }

        _part?.Leave();

        _channels.Dispose();
    }

    // A worker's further sockets take frames of one chunk alone.
    private string? ChainsNote => _guests is not null && _queues.LargestChain > 0 ? $"Frames of {Device} larger than a chunk go by the kernel while there are several workers." : null;

    private string? SumsNote => DeviceSums ? $"{Device} finishes the checksums of datagrams." : null;

    /// <summary>Chooses who finishes the checksums of datagrams.</summary>
    /// <param name="offered">Whether the driver offers it; then the device does, where the kernel takes metadata.</param>
    internal void LetDeviceSum(bool offered)
    {
        foreach (XdpQueue queue in _queues.All)
        {
            queue.DeviceSums = offered && queue.Socket.MetadataSize > 0;
        }
    }

    internal static int? SwitchedOn(int ifindex)
    {
        using var channels = new EthtoolChannels();
        return channels.Receiving(ifindex);
    }

    private static Exception Named(string device, Exception fault) => fault is NetlinkException ? new PortException($"no XDP on {device}: {fault.Message}", fault) : fault;

    private void Begin(UdpSockets sockets)
    {
        LetDeviceSum(NetdevFeatures.Of(_ifindex).SumsChecksums);
        _health = new XdpHealth(Queues);
        _paths = new PathFinder(Device, _ifindex, sockets.Port, _options.Mark, Listen, EachSecond, Lose);
        MakePorts(sockets);
        Serve();
    }

    private void MakePorts(UdpSockets sockets)
    {
        string mode = Mode.ToString().ToLowerInvariant();
        _map = new QueueMap(sockets.Ports.Count, _options.QueueMap);
        if (_options.Steering is not null && _part is null)
        {
            MakeGuests();
        }

        MakeRules(_options, _guests is not null ? _options.Owners : null);
        Ports = [.. sockets.Ports.Select((udp, worker) => (IPort)new XdpPort(
            udp,
            _map.Of(_queues.All, worker),
            _paths,
            $"xdp {Device} {mode}",
            _guests?.Of(worker),
            _guests?.WakeOf(worker)))];
    }

    private void Serve()
    {
        if (_part is not { Place: > 0 })
        {
            // What reaches no socket is counted once, by whoever came first.
            _queues.WatchRedirects(_program.Sockets);
        }

        for (int i = 0; i < _queues.All.Count; i++)
        {
            int error = _program.BindRow((uint)i, _queues.All[i].Socket.Descriptor, Row);
            if (error < 0)
            {
                throw new PortException($"no XDP on {Device}: queue {i} cannot be given its socket: {Errno.Describe(error)}; use the UDP port", error);
            }
        }

        ServeGuests();
        _ = _program.TakeUpTo(_guests is not null || _part is not null ? 0 : _queues.LargestChain);
        BeginDrops();
        _paths.Start();
        Flows?.Start();
    }

    private void Lose()
    {
        _part?.Outdate();
        End(XdpEnd.Gone, $"no XDP on {Device}: the device is gone");
    }

    private void End(XdpEnd end, string sentence)
    {
        if (!_told)
        {
            _told = true;
            _ended(end, sentence);
        }
    }

    private void EachSecond()
    {
        Count();
        if (_paths.Link is not { IsRunning: true })
        {
            _health.Reset();
            return;
        }

        int? switchedOn = _channels.Receiving(_ifindex);
        if (switchedOn != _switchedOn && switchedOn is not null && Math.Min(switchedOn.Value, XdpQueues.Most) != Queues)
        {
            _part?.Outdate();
            End(XdpEnd.Changed, $"{Device} has {switchedOn} queues now instead of {Queues}");
            return;
        }

        for (int i = 0; i < _queues.All.Count; i++)
        {
            XdpQueue queue = _queues.All[i];
            queue.Nudge();
            if (_health.Look(i, queue.SendError, queue.Waiting, queue.Progress) is { } fault)
            {
                End(XdpEnd.Failed, $"no XDP on {Device} for now: {fault}");
            }
        }
    }

    private void Count()
    {
        _queues.Count(_counters, isInner: false);
        CountEarlyDrops();
    }
}
