using TunnelBox.Configuration;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Netlink;
using TunnelBox.Visibility;

namespace TunnelBox.Service;

/// <content>
/// The inner side past the kernel: opened where the settings name the device of a local network, left when the device goes or a
/// firewall comes, tried again later. The TUN device is there all the time.
/// </content>
public sealed partial class TunnelDevice
{
    private InnerPortSetting _lanChoice = null!;
    private Timer? _lanLooks;
    private volatile XdpGateway? _gateway;
    private CounterBlock? _gatewayCounters;
    private int _lookingAtLan;
    private int _refusedLan = -1;
    private long _lanRefusedAt;
    private volatile string _innerName = "tun";
    private volatile string _innerMode = string.Empty;
    private volatile string[] _innerNotes = [];

    private void BuildInner()
    {
        _lanChoice = InnerPortSetting.Parse(_options.Settings.InnerPort)
            ?? throw new StartException($"The setting InnerPort is \"{_options.Settings.InnerPort}\"; tun, auto:DEVICE or xdp:DEVICE is allowed.");
        if (_lanChoice.Device is not null)
        {
            WarmUp.RunGateway();
        }
    }

    private void StartInner()
    {
        if (_lanChoice.Device is not null)
        {
            _lanLooks = new Timer(
                _ =>
                {
                    if (Interlocked.Exchange(ref _lookingAtLan, 1) == 0)
                    {
                        Post(LookForLan);
                    }
                },
                null,
                LookInterval,
                LookInterval);
        }
    }

    private void LookForLan()
    {
        Volatile.Write(ref _lookingAtLan, 0);
        lock (_stateGate)
        {
            if (!_disposed && _gateway is null && _sockets is { } sockets && OpenGateway())
            {
                // The rings hold what arrives until the new workers run.
                StopWorkers();
                StartWorkers(sockets);
            }
        }
    }

    private bool OpenGateway()
    {
        if (_lanChoice.Device is not { } device || _gateway is not null)
        {
            return false;
        }

        int index = XdpOuter.IndexOf(device);
        if (index == _refusedLan && Environment.TickCount64 - _lanRefusedAt < RefusalHolds)
        {
            return false;
        }

        if (device == _choice.Device)
        {
            RefuseLan(index, $"no XDP on {device}: OuterPort names the same device; a gateway's local network needs one of its own");
            return false;
        }

        if (!_lanChoice.Forced && index != 0 && !NetdevFeatures.Of(index).OffersZeroCopy)
        {
            RefuseLan(index, $"auto stays with TUN: the driver of {device} offers no zero-copy, and TUN with offloads is faster then", isFault: false);
            return false;
        }

        XdpGateway? opened = null;
        _gatewayCounters = _counters.AddBlock("tb-lan", inner: $"xdp {device}");
        try
        {
            opened = XdpGateway.Open(
                new XdpGatewayOptions(device, _tun.InterfaceIndex, _link.Mtu)
                {
                    Counters = _gatewayCounters,
                    Memory = Memory(),
                    AllowedIps = () => _tunnel.AllowedIps,
                    Ended = (end, why) => Post(() => LoseLan(opened, end, why)),
                    QueueMap = QueueMapSetting.Parse(_options.Settings.QueueMap) ?? [],
                    PastFirewall = _options.Settings.InnerPastFirewall,
                },
                _tun.Ports);
        }
        catch (PortException refused)
        {
            _counters.Retire(_gatewayCounters);
            _gatewayCounters = null;
            RefuseLan(index, refused.Message);
            return false;
        }

        _gateway = opened;
        _refusedLan = -1;
        _innerName = $"xdp:{device}";
        _innerMode = opened.Mode.ToString().ToLowerInvariant();
        string why = opened.ModeReason is { } reason ? $": {reason}" : string.Empty;
        string firewall = opened.Bypassed is { } rules ? $"; {rules} does not see them" : string.Empty;
        _innerNotes =
        [
            $"XDP on {device} is in {_innerMode} mode, {opened.Queues} {(opened.Queues == 1 ? "queue" : "queues")}{why}.",
            $"Packets between {device} and the tunnel pass without nftables, conntrack, tc, policy rules and reverse path filters{firewall}.",
            .. opened.Notes,
        ];
        Array.ForEach(_innerNotes, note => _log.Info($"{InterfaceName}: {note}"));
        _tunnel.Trace.Around(PortChange, null, _innerNotes[0]);
        return true;
    }

    private void RefuseLan(int device, string sentence, bool isFault = true)
    {
        _refusedLan = device;
        _lanRefusedAt = Environment.TickCount64;
        string note = $"{sentence}; the TUN device carries the local network's packets.";
        if (_innerNotes is [{ } told] && told == note)
        {
            return;
        }

        _innerNotes = [note];
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

    private void LoseLan(XdpGateway? lost, XdpEnd end, string why)
    {
        lock (_stateGate)
        {
            if (_disposed || lost is null || !ReferenceEquals(lost, _gateway))
            {
                return;
            }

            lost.Detach();
            StopWorkers(XdpPatience);
            CloseGateway();
            if (end == XdpEnd.Changed)
            {
                _log.Info($"{InterfaceName}: {why}; it is opened anew");
                _ = OpenGateway();
            }
            else
            {
                RefuseLan(XdpOuter.IndexOf(lost.Device), why);
            }

            if (_sockets is { } sockets)
            {
                StartWorkers(sockets);
            }
        }
    }

    // The workers must have stopped.
    private void CloseGateway()
    {
        if (_gateway is not { } gateway)
        {
            return;
        }

        gateway.Detach();
        if (!gateway.AllFramesAccountedFor)
        {
            _log.Verbose($"{InterfaceName}: XDP on {gateway.Device} is closed while frames are under way");
        }

        _gateway = null;
        gateway.Dispose();
        if (_gatewayCounters is { } counters)
        {
            _counters.Retire(counters);
            _gatewayCounters = null;
        }

        _innerName = "tun";
        _innerMode = string.Empty;
        _innerNotes = [];
    }
}
