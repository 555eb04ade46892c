using System.Diagnostics.Metrics;
using TunnelBox.Control;

namespace TunnelBox.Service.Metrics;

/// <summary>
/// The instruments of one tunnel (System.Diagnostics.Metrics). They are read only when somebody collects, and all of one collection from one
/// reading. Names of peers' traffic and handshakes are those that dashboards of other WireGuard exporters know; ours begin with "tunnelbox".
/// </summary>
public sealed class TunnelMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "TunnelBox";

    // One collection asks every instrument in turn, within milliseconds.
    private const long MaxAge = 500;

    private readonly Lock _gate = new();
    private readonly Func<TunnelReading> _read;
    private TunnelReading? _reading;
    private long _readAt;

    /// <summary>Makes the instruments.</summary>
    /// <param name="read">Reads the tunnel; from any thread.</param>
    public TunnelMetrics(Func<TunnelReading> read)
    {
        _read = read;
        Meter = new Meter(MeterName);
        PeerCounter("wireguard.sent.bytes", "By", "Bytes sent to the peer, outer payload.", peer => peer.SentBytes);
        PeerCounter("wireguard.received.bytes", "By", "Bytes received from the peer and authenticated, outer payload.", peer => peer.ReceivedBytes);
        Meter.CreateObservableGauge(
            "wireguard.latest_handshake.seconds", () => EachPeer(peer => peer.Report.LatestHandshake?.ToUnixTimeSeconds() ?? 0), "s", "Unix time of the last handshake with the peer; 0 for never.");
        Meter.CreateObservableGauge("tunnelbox.peer.last_received.seconds", LastReceived, "s", "Unix time at which something authenticated last arrived from the peer; 0 for never.");
        Meter.CreateObservableGauge("tunnelbox.peer.state", () => Each("state", peer => peer.State), null, "1 for the state that the peer is in: never, active, idle or silent.");
        Meter.CreateObservableGauge("tunnelbox.peer.health", () => Each("health", peer => peer.Health), null, "1 for the peer's health: quiet, well, stalled, unheard or replays.");
        Meter.CreateObservableGauge("tunnelbox.peer.waiting_packets", () => EachPeer(peer => (long)peer.Report.WaitingPackets), "{packet}", "Packets that wait for a session with the peer.");
        Meter.CreateObservableCounter("tunnelbox.peer.drops", PeerDrops, "{packet}", "Packets and handshakes of the peer that ended for a reason; reasons that never happened are left out.");
        Meter.CreateObservableCounter("tunnelbox.drops", () => Drops(reason => reason.Packets), "{packet}", "Packets and handshakes that ended for a reason.");
        Meter.CreateObservableCounter("tunnelbox.drop.bytes", () => Drops(reason => reason.Bytes), "By", "Bytes of the packets that ended for a reason.");
        Meter.CreateObservableCounter("tunnelbox.port.packets", () => Ports(flow => flow.Packets), "{packet}", "Packets that a worker's port received or sent.");
        Meter.CreateObservableCounter("tunnelbox.port.bytes", () => Ports(flow => flow.Bytes), "By", "Bytes that a worker's port received or sent, as the port saw them.");
        DeviceGauge("tunnelbox.peers", "{peer}", "Peers that are configured.", device => device.PeerCount);
        DeviceGauge("tunnelbox.up", null, "1 while the interface is up, else 0.", device => device.Up ? 1 : 0);
        DeviceGauge("tunnelbox.mtu.bytes", "By", "The interface's MTU.", device => device.Mtu);
        DeviceGauge("tunnelbox.workers", "{thread}", "Threads that move packets; 0 while the interface is down.", device => device.Workers);
        DeviceGauge("tunnelbox.waiting_handshakes", "{message}", "Handshake messages that wait for the thread that answers them.", device => device.WaitingHandshakes);
        DeviceGauge("tunnelbox.under_load", null, "1 while handshakes must prove their address first, else 0.", device => device.UnderLoad ? 1 : 0);
        Meter.CreateObservableGauge(
            "tunnelbox.longest_pass.seconds", () => new Measurement<double>(Now().Device.LongestPassMicroseconds / 1e6, Interface()), "s", "The longest pass of a worker: how long a packet may have waited.");
        Meter.CreateObservableGauge("tunnelbox.xdp.queue", XdpModes, null, "1 for each queue of a device under AF_XDP; its labels say in which mode, and why in no better one.");
        Meter.CreateObservableGauge("tunnelbox.xdp.queue.frames", XdpFrames, "{frame}", "Frames of each queue of a device under AF_XDP, by the place where they are.");
        Meter.CreateObservableGauge("tunnelbox.info", Info, null, "Always 1; its labels say what is in force.");
    }

    /// <summary>Gets the meter.</summary>
    public Meter Meter { get; }

    /// <summary>Has the next collection read the tunnel anew.</summary>
    public void Refresh()
    {
        lock (_gate)
        {
            _reading = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Meter.Dispose();

    private TunnelReading Now()
    {
        lock (_gate)
        {
            if (_reading is null || Environment.TickCount64 - _readAt > MaxAge)
            {
                _reading = _read();
                _readAt = Environment.TickCount64;
            }

            return _reading;
        }
    }

    private void PeerCounter(string name, string unit, string description, Func<PeerReport, long> value) =>
        Meter.CreateObservableCounter(name, () => EachPeer(peer => value(peer.Report)), unit, description);

    private void DeviceGauge(string name, string? unit, string description, Func<DeviceReport, long> value) =>
        Meter.CreateObservableGauge(name, () => new Measurement<long>(value(Now().Device), Interface()), unit, description);

    private KeyValuePair<string, object?> Interface() => new("interface", Now().Device.Interface);

    private IEnumerable<Measurement<T>> EachPeer<T>(Func<PeerReading, T> value)
        where T : struct
    {
        TunnelReading reading = Now();
        foreach (PeerReading peer in reading.Peers)
        {
            yield return new Measurement<T>(value(peer), Tags(reading, peer));
        }
    }

    private static KeyValuePair<string, object?>[] Tags(TunnelReading reading, PeerReading peer, params ReadOnlySpan<KeyValuePair<string, object?>> more) =>
        [new("interface", reading.Device.Interface), new("public_key", peer.Report.PublicKey), new("friendly_name", peer.Report.Name ?? string.Empty), .. more];

    private IEnumerable<Measurement<double>> LastReceived()
    {
        double now = Now().Stat.Time.ToUnixTimeMilliseconds() / 1e3;
        return EachPeer(peer => peer.Report.ReceivedAge is { } age ? Math.Round(now - age, 3) : 0);
    }

    // A sample for every value, so that a graph of one of them has no gaps.
    private List<Measurement<long>> Each<T>(string label, Func<PeerReport, T> value)
        where T : struct, Enum
    {
        TunnelReading reading = Now();
        List<Measurement<long>> all = [];
        foreach (PeerReading peer in reading.Peers)
        {
            foreach (T one in Enum.GetValues<T>())
            {
                bool present = EqualityComparer<T>.Default.Equals(value(peer.Report), one);
                all.Add(new Measurement<long>(present ? 1 : 0, Tags(reading, peer, new KeyValuePair<string, object?>(label, one.ToString().ToLowerInvariant()))));
            }
        }

        return all;
    }

    private List<Measurement<long>> PeerDrops()
    {
        TunnelReading reading = Now();
        return
        [
            .. reading.Peers.SelectMany(peer => peer.Drops.Select(drop =>
                new Measurement<long>(drop.Packets, Tags(reading, peer, new KeyValuePair<string, object?>("reason", drop.Reason))))),
        ];
    }

    private List<Measurement<long>> Drops(Func<StatReason, long> value) =>
        [.. Now().Stat.Reasons.Select(reason => new Measurement<long>(value(reason), Interface(), new KeyValuePair<string, object?>("reason", reason.Name)))];

    private List<Measurement<long>> Ports(Func<StatFlow, long> value) =>
    [
        .. Now().Stat.Workers.SelectMany(worker => worker.Ports.Select(flow => new Measurement<long>(
            value(flow),
            Interface(),
            new KeyValuePair<string, object?>("worker", worker.Name),
            new KeyValuePair<string, object?>("port", flow.Name.StartsWith("Inner", StringComparison.Ordinal) ? "inner" : "outer"),
            new KeyValuePair<string, object?>("direction", flow.Name.EndsWith("Received", StringComparison.Ordinal) ? "received" : "sent")))),
    ];

    private static IEnumerable<(string Side, QueueReport Queue)> XdpQueues(DeviceReport device) =>
        (device.OuterQueues ?? []).Select(static queue => ("outer", queue)).Concat((device.InnerQueues ?? []).Select(static queue => ("inner", queue)));

    private static KeyValuePair<string, object?>[] QueueTags(DeviceReport device, string side, QueueReport queue, params ReadOnlySpan<KeyValuePair<string, object?>> more) =>
        [new("interface", device.Interface), new("side", side), new("queue", queue.Queue), .. more];

    private List<Measurement<long>> XdpModes()
    {
        DeviceReport device = Now().Device;
        return
        [
            .. XdpQueues(device).Select(each => new Measurement<long>(1, QueueTags(
                device, each.Side, each.Queue, new("mode", each.Queue.Mode), new("reason", each.Queue.ModeReason ?? string.Empty), new("worker", each.Queue.Worker)))),
        ];
    }

    private List<Measurement<long>> XdpFrames()
    {
        DeviceReport device = Now().Device;
        return
        [
            .. XdpQueues(device).SelectMany(each => ((string Place, int Frames)[])
            [
                ("free", each.Queue.Free + each.Queue.Completed), ("fill", each.Queue.Fill), ("work", each.Queue.Received + each.Queue.Held + each.Queue.Transmit), ("away", each.Queue.Away),
            ],
            (each, place) => new Measurement<long>(place.Frames, QueueTags(device, each.Side, each.Queue, new KeyValuePair<string, object?>("place", place.Place)))),
        ];
    }

    private Measurement<long> Info()
    {
        DeviceReport device = Now().Device;
        return new Measurement<long>(
            1,
            Interface(),
            new KeyValuePair<string, object?>("public_key", device.PublicKey ?? string.Empty),
            new KeyValuePair<string, object?>("inner_port", device.InnerPort),
            new KeyValuePair<string, object?>("outer_port", device.OuterPort),
            new KeyValuePair<string, object?>("aead", device.Aead));
    }
}
