using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;
using TunnelBox.Visibility;

namespace TunnelBox.Service;

/// <content>
/// The outer side past the kernel: opened where the settings name a device, left when the device goes, tried again when it
/// comes back. The UDP sockets are there all the time.
/// </content>
public sealed partial class TunnelDevice
{
    private const int LookInterval = 500;
    private const string PortChange = "port_change";

    /// <summary>Milliseconds until a device that refused is asked again; a new device of that name is asked at once.</summary>
    private const long RefusalHolds = 10_000;

    /// <summary>Most milliseconds until a device that failed again and again is asked again.</summary>
    private const long LongestHold = 160_000;

    /// <summary>Milliseconds after which a device that then fails counts as one that failed for the first time.</summary>
    private const long GoodStanding = 60_000;

    // Rings hold 2,048 frames at most, and no more arrive when the program is detached.
    private static readonly TimeSpan XdpPatience = TimeSpan.FromMilliseconds(20);

    // What waits in queues and sockets that are closed: some thousand packets, which take milliseconds where a processor is to be had.
    private static readonly TimeSpan EndPatience = TimeSpan.FromMilliseconds(250);

    private OuterPortSetting _choice = null!;
    private Timer? _deviceLooks;
    private XdpOuter? _xdp;
    private XdpMemory? _memory;
    private CounterBlock? _xdpCounters;
    private volatile SessionRules? _steering;
    private volatile FlowRules? _flows;
    private volatile string _steeringChoice = string.Empty;
    private int _looking;
    private int _refusedDevice = -1;
    private long _refusedAt;
    private long _holds;
    private long _openedAt;
    private int _failures;
    private volatile string _outerName = "udp";
    private volatile string _outerMode = string.Empty;
    private volatile string[] _outerNotes = [];

    private static IReadOnlyList<QueueReport>? Queues(IReadOnlyList<XdpQueueState>? queues) => queues is { Count: > 0 }
        ?
        [
            .. queues.Select(queue => new QueueReport
            {
                Queue = queue.Queue,
                Mode = queue.Mode.ToString().ToLowerInvariant(),
                ModeReason = queue.ModeReason,
                Worker = queue.Worker,
                Frames = queue.Total,
                Free = queue.Free,
                Held = queue.Held,
                Fill = queue.Fill,
                Received = queue.Received,
                Transmit = queue.Transmit,
                Completed = queue.Completed,
                Away = queue.Away,
                RxDropped = (long)queue.Statistics.rx_dropped,
                RxInvalid = (long)queue.Statistics.rx_invalid_descs,
                RxRingFull = (long)queue.Statistics.rx_ring_full,
                FillRingEmpty = (long)queue.Statistics.rx_fill_ring_empty_descs,
                TxInvalid = (long)queue.Statistics.tx_invalid_descs,
                TxRingEmpty = (long)queue.Statistics.tx_ring_empty_descs,
            }),
        ]
        : null;

    private void BuildOuter() => _choice = OuterPortSetting.Parse(_options.Settings.OuterPort)
        ?? throw new StartException($"The setting OuterPort is \"{_options.Settings.OuterPort}\"; auto, udp, auto:DEVICE or xdp:DEVICE is allowed.");

    private void StartOuter()
    {
        foreach (string device in XdpOuter.RestoreInterrupts(_options.Settings.RuntimeDirectory))
        {
            _log.Info($"{InterfaceName}: interrupts of {device}, put off by a process that was killed, are as they were before");
        }

        if (_choice.Device is not null)
        {
            _deviceLooks = new Timer(
                _ =>
                {
                    if (Interlocked.Exchange(ref _looking, 1) == 0)
                    {
                        Post(LookForDevice);
                    }
                },
                null,
                LookInterval,
                LookInterval);
        }
    }

    private void LookForDevice()
    {
        Volatile.Write(ref _looking, 0);
        lock (_stateGate)
        {
            if (!_disposed && _xdp is null && _sockets is { } sockets && OpenXdp(sockets, _mark))
            {
                // The rings hold what arrives until the new workers run.
                StopWorkers();
                StartWorkers(sockets);
            }
        }
    }

    private bool OpenXdp(UdpSockets sockets, uint mark)
    {
        if (_choice.Device is not { } device)
        {
            return false;
        }

        int index = XdpOuter.IndexOf(device);
        if (index == _refusedDevice && Environment.TickCount64 - _refusedAt < _holds)
        {
            return false;
        }

        if (!_choice.Forced && index != 0 && !NetdevFeatures.Of(index).OffersZeroCopy)
        {
            Refuse(index, $"auto stays with UDP: the driver of {device} offers no zero-copy, and UDP with offloads is faster then", isFault: false);
            return false;
        }

        XdpOuter? opened = null;
        _xdpCounters = _counters.AddBlock("tb-paths", outer: $"xdp {device}");
        try
        {
            opened = XdpOuter.Open(
                new XdpOuterOptions(device, mark)
                {
                    BusyPoll = _options.Settings.BusyPoll,
                    RuntimeDirectory = _options.Settings.RuntimeDirectory,
                    Counters = _xdpCounters,
                    Memory = _options.Shared is null ? Memory() : null,
                    Shared = _options.Shared,
                    Tunnel = InterfaceName,
                    Owners = Owners,
                    QueueMap = QueueMapSetting.Parse(_options.Settings.QueueMap) ?? [],
                    Steering = _options.Settings.Steering == "off" ? null : _tunnel.Trace,
                    SteerInCard = _options.Settings.Steering == "hw" ? SteeredPeers : null,
                    Ended = (end, why) => Post(() => LoseDevice(opened, end, why)),
                },
                sockets);
            _gate.Watch = opened.LoadWatch;
        }
        catch (PortException refused)
        {
            _counters.Retire(_xdpCounters);
            _xdpCounters = null;
            Refuse(index, refused.Message, isFault: true);
            _holds = refused.Errno == Definitions.EAGAIN ? LookInterval : _holds;
            return false;
        }

        _xdp = opened;
        Observe();
        _refusedDevice = -1;
        _openedAt = Environment.TickCount64;
        _outerName = $"xdp:{device}";
        _outerMode = opened.Mode.ToString().ToLowerInvariant();
        string why = opened.ModeReason is { } reason ? $": {reason}" : string.Empty;
        _outerNotes =
        [
            $"XDP on {device} is in {_outerMode} mode, {opened.Queues} {(opened.Queues == 1 ? "queue" : "queues")}{why}.",
            $"Datagrams of the tunnel pass {device} without nftables, conntrack, tc and reverse path filters.",
            .. opened.Notes,
            $"Steering on {device} is {opened.SteeringChoice}.",
        ];
        _log.Info($"{InterfaceName}: {_outerNotes[0]}");
        if (_options.Settings.Steering == "hw")
        {
            // Asked for by name, so it is told whether it could be had.
            _log.Info($"{InterfaceName}: {_outerNotes[^1]}");
        }

        _tunnel.Trace.Around(PortChange, null, _outerNotes[0]);
        return true;
    }

    private IReadOnlyList<Protocol.Peer> SteeredPeers()
    {
        using Protocol.Tunnel.Edit edit = _tunnel.BeginEdit();
        return edit.Peers;
    }

    // Frames of both sides lie together, as far as AF_XDP serves them.
    private XdpMemory Memory() => _memory ??= new XdpMemory(
        [.. new[] { _options.Shared is null ? Served(_choice.Device, _choice.Forced) : null, Served(_lanChoice.Device, _lanChoice.Forced) }.OfType<string>()]);

    private static string? Served(string? device, bool forced) =>
        device is not null && (forced || NetdevFeatures.Of(XdpOuter.IndexOf(device)).OffersZeroCopy) ? device : null;

    private void Refuse(int device, string sentence, bool isFault)
    {
        _refusedDevice = device;
        _refusedAt = Environment.TickCount64;
        _holds = RefusalHolds;
        string note = $"{sentence}; the UDP port carries the tunnel.";
        if (_outerNotes is [{ } told] && told == note)
        {
            return;
        }

        _outerNotes = [note];
        _tunnel.Trace.Around(PortChange, null, note);
        if (isFault)
        {
            _log.Warning($"{InterfaceName}: {note}");
        }
        else
        {
            _log.Info($"{InterfaceName}: {note}");
        }
    }

    private void LoseDevice(XdpOuter? lost, XdpEnd end, string why)
    {
        lock (_stateGate)
        {
            if (_disposed || lost is null || !ReferenceEquals(lost, _xdp) || _sockets is not { } sockets)
            {
                return;
            }

            int device = XdpOuter.IndexOf(lost.Device);
            StopOuter(XdpPatience);
            switch (end)
            {
                case XdpEnd.Changed:
                    _log.Info($"{InterfaceName}: {why}; it is opened anew");
                    _ = OpenXdp(sockets, _mark);
                    break;
                case XdpEnd.Failed:
                    _failures = Environment.TickCount64 - _openedAt < GoodStanding ? _failures + 1 : 0;
                    Refuse(device, why, isFault: true);
                    _holds = Math.Min(RefusalHolds << Math.Min(_failures, 8), LongestHold);
                    break;
                default:
                    Refuse(0, why, isFault: true);
                    break;
            }

            StartWorkers(sockets);
        }
    }

    // The traffic goes back to the kernel, the workers take what had arrived, and only then everything is closed.
    private void StopOuter(TimeSpan patience) => CloseOuter(LeaveOuter(patience));

    private XdpOuter? LeaveOuter(TimeSpan patience)
    {
        XdpOuter? xdp = _xdp;
        if (xdp is not null)
        {
            _xdp = null;
            Observe();
            _gate.Watch = null;
            xdp.Detach();
        }

        StopWorkers(patience);
        return xdp;
    }

    private void CloseOuter(XdpOuter? xdp)
    {
        if (xdp is null)
        {
            return;
        }

        if (!xdp.AllFramesAccountedFor)
        {
            _log.Verbose($"{InterfaceName}: XDP on {xdp.Device} is closed while frames are under way");
        }

        xdp.Dispose();
        if (_xdpCounters is { } counters)
        {
            _counters.Retire(counters);
            _xdpCounters = null;
        }

        _outerName = "udp";
        _outerMode = string.Empty;
        _outerNotes = [];
    }
}
