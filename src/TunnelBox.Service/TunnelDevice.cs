using System.Collections.Concurrent;
using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Tun;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Clock;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Tracing;
using TunnelBox.Protocol;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Service;

/// <summary>
/// One tunnel interface with everything behind it: the TUN device, the UDP sockets while it is up, the workers between
/// them, the protocol, and the thread that shakes hands.
/// </summary>
public sealed partial class TunnelDevice : ITunnel
{
    private readonly Lock _stateGate = new();
    private readonly Log _log;
    private readonly TunnelDeviceOptions _options;
    private readonly KeyArena _arena = new();
    private readonly SodiumRandom _random = new();
    private readonly Tunnel _tunnel;
    private readonly TunDevice _tun;
    private readonly LinkWatch _watch;
    private readonly PacketAead _aead;
    private readonly HandshakeQueue _queue = new();
    private readonly HandshakeGate _gate;
    private readonly HandshakeThread _handshakes;
    private readonly HealthWatch _health;
    private readonly Counters _counters = new();
    private readonly RingTaps[] _taps;
    private CounterBlock[] _workerCounters = [];
    private readonly BlockingCollection<Action> _changes = [];
    private readonly Thread _changer;
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Worker[] _workers = [];
    private volatile UdpSockets? _sockets;
    private ushort _configuredPort;
    private uint _mark;
    private LinkState _link;
    private bool _disposed;

    private TunnelDevice(TunnelDeviceOptions options, TunDevice tun, PacketAead aead, Log log)
    {
        _options = options;
        _log = log;
        _tun = tun;
        _aead = aead;
        _taps = [.. Enumerable.Range(0, tun.Ports.Count).Select(queue => new RingTaps { Queue = (ushort)queue })];
        _tunnel = new Tunnel(_arena, _random, BootClock.Instance, TimeProvider.System, new StampStore(options.Settings.StateDirectory, log).Open, this);
        _gate = new HandshakeGate(_tunnel, _queue, _random, this);
        _handshakes = new HandshakeThread("tb-handshake", _tunnel, _queue, _counters.AddBlock("tb-handshake", outer: "udp"));
        BuildNetwork();
        BuildOuter();
        BuildInner();
        _health = new HealthWatch(_tunnel, _counters.Read);
        _tunnel.Trace.Device = tun.Name;
        _link = new LinkState(tun.Name, IsUp: false, tun.Mtu);
        // The watch follows the interface into other namespaces, so everything it finds is done on a thread that stays at home:
        // sockets belong where the tunnel was started.
        _changer = new Thread(RunChanges) { Name = "tb-device", IsBackground = true };
        _watch = new LinkWatch(
            tun.Descriptor.Value,
            _link,
            state => Post(() => Adopt(state)),
            () => Post(() => _ended.TrySetResult("the interface was deleted")),
            SnapshotGuard.Open(),
            DropSessionsAfterSnapshot);
    }

    /// <summary>Gets the interface's present name.</summary>
    public string InterfaceName => _link.Name;

    /// <summary>Gets a task that ends, with the reason, when the interface is gone.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>Gets the UDP port, or the one that will be bound when the interface comes up.</summary>
    public ushort ListenPort => _sockets?.Port ?? _configuredPort;

    /// <summary>Gets the counters of workers and of the handshake thread.</summary>
    public Counters Counters => _counters;

    /// <summary>Makes the interface, down and without configuration.</summary>
    /// <param name="options">What to make.</param>
    /// <param name="log">Where events are told.</param>
    /// <returns>The device; <see cref="Start"/> brings it to life.</returns>
    /// <exception cref="StartException">It cannot be made; the sentence says what to do.</exception>
    public static TunnelDevice Open(TunnelDeviceOptions options, Log log)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(log);
        try
        {
            CryptoSelfTest.Run();
            PacketAead aead = PacketAead.Select(options.Settings.Aead);
            _ = WarmUp.Run(aead.Create);
            if (options.TakeOver)
            {
                return OpenByTakeOver(options, aead, log);
            }

            List<string> reports = [];
            TunnelDevice? device = null;
            TunDevice tun = OpenTun(options, sentence =>
            {
                // Before there is a device, its start reports from this thread alone.
                (device is null ? reports.Add : (Action<string>)device.NoteOffload)(sentence);
                log.Warning($"{options.InterfaceName}: {sentence}");
            });
            device = new TunnelDevice(options, tun, aead, log);
            reports.ForEach(device.NoteOffload);
            if (!options.Settings.TunOffload)
            {
                device.NoteOffload("The setting TunOffload is false, so packets pass the TUN device one by one.");
            }

            if (!options.Settings.UdpOffload)
            {
                device.NoteOffload("The setting UdpOffload is false, so datagrams pass the UDP socket one by one.");
            }

            return device;
        }
        catch (Exception fault) when (fault is PortException or CryptoUnavailableException or PlatformNotSupportedException or ArgumentException)
        {
            throw new StartException(fault.Message, fault);
        }
    }

    /// <summary>Starts watching the interface, shaking hands, and, once it is up, moving packets.</summary>
    public void Start()
    {
        if (_arena.LockWarning is { } warning)
        {
            _log.Warning($"{warning}");
        }

        if (ProbeLibrary.Missing is { } missing)
        {
            _log.Verbose($"{missing}");
        }

        bool tookOver = _taken is not null;
        if (_taken is { } taken)
        {
            TakeUp(taken);
        }

        _changer.Start();
        StartOuter();
        StartInner();
        _handshakes.Start();
        _health.Start();
        _watch.Start();
        _network.Start(_tun.InterfaceIndex);
        StartMetrics(tookOver ? ReleasePatience : 0);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_stateGate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        _taken?.Session.Dispose();
        _taken?.Udp?.Dispose();
        _deviceLooks?.Dispose();
        _lanLooks?.Dispose();

        _network.Dispose();
        _queries.Dispose();
        StopMetrics();
        _watch.Dispose();
        _changes.CompleteAdding();
        if (_changer.IsAlive)
        {
            _changer.Join();
        }

        lock (_stateGate)
        {
            Down();
        }

        _health.Dispose();
        _handshakes.Dispose();
        StopStack();
        _tunnel.Dispose();
        _tun.Dispose();
        _arena.Dispose();
        _ended.TrySetResult("the tunnel was stopped");
    }

    private static TunDevice OpenTun(TunnelDeviceOptions options, Action<string> report)
    {
        if (options.TunDescriptor is { } descriptor)
        {
            return TunDevice.Adopt(descriptor, options.Settings.TunOffload, report);
        }

        TunDevice tun = TunDevice.Create(new TunOptions
        {
            Name = options.InterfaceName,
            Queues = Math.Max(options.Settings.Workers, 1),
            Offloads = options.Settings.TunOffload,
            Report = report,
        });
        tun.SetMtu(options.Settings.Mtu);
        return tun;
    }

    private void Post(Action change)
    {
        try
        {
            _changes.Add(change);
        }
        catch (InvalidOperationException)
        {
            // Stopping: nothing that is found out now matters any more.
        }
    }

    private void RunChanges()
    {
        foreach (Action change in _changes.GetConsumingEnumerable())
        {
            change();
        }
    }

    private void DropSessionsAfterSnapshot()
    {
        _log.Warning($"{InterfaceName}: the machine was restored from a snapshot; all sessions end, so that no nonce is used twice");
        _tunnel.DropAllSessions();
    }

    private void Adopt(LinkState link)
    {
        if (link.Mtu != _link.Mtu)
        {
            _mtu.Seen();
        }

        lock (_stateGate)
        {
            LinkState before = _link;
            _link = link;
            _tunnel.Trace.Device = link.Name;
            if (_disposed)
            {
                return;
            }

            _gateway?.SetMtu(link.Mtu);
            foreach (Worker worker in _workers)
            {
                worker.Mtu = link.Mtu;
            }

            if (link.IsUp && !before.IsUp)
            {
                Up();
            }
            else if (!link.IsUp && before.IsUp)
            {
                Down();
                _log.Verbose($"{link.Name}: interface down");
            }
        }
    }

    private void Up()
    {
        int error = Rebind(_configuredPort, _mark);
        if (error < 0)
        {
            _log.Error($"{InterfaceName}: it carries no traffic until another ListenPort is set, or what holds the port is stopped and the interface taken down and up");
            return;
        }

        _tunnel.Start();
        _log.Verbose($"{InterfaceName}: interface up, listening on UDP port {ListenPort}");
    }

    private void Down()
    {
        StopOuter(EndPatience);
        CloseGateway();
        UdpSockets? sockets = _sockets;
        if (sockets is not null)
        {
            // The port that the kernel chose stays the interface's port.
            _configuredPort = sockets.Port;
            _sockets = null;
            sockets.Dispose();
            _stackRules = null;
            Observe();
        }

        _tunnel.Stop();
    }

    // New sockets first: when they cannot be had, everything stays as it was.
    private int Rebind(ushort port, uint mark)
    {
        if (!_link.IsUp)
        {
            return 0;
        }

        UdpSockets opened;
        try
        {
            opened = UdpSockets.Open(new UdpSocketOptions
            {
                Port = port,
                FirewallMark = mark,
                Queues = _tun.Ports.Count,
                Offloads = _options.Settings.UdpOffload,
                Report = Report,
            });
        }
        catch (PortException refused)
        {
            _log.Error($"{InterfaceName}: {refused}");
            return refused.Errno == 0 ? -Definitions.EIO : -refused.Errno;
        }

        StopOuter(EndPatience);
        UdpSockets? old = _sockets;
        _sockets = opened;
        old?.Dispose();
        SteerStack(opened);
        _refusedDevice = -1;
        _ = OpenXdp(opened, mark);
        _refusedLan = -1;
        _ = OpenGateway();
        StartWorkers(opened);
        return 0;
    }

    private void Report(string sentence)
    {
        NoteOffload(sentence);
        _log.Warning($"{InterfaceName}: {sentence}");
    }
}
