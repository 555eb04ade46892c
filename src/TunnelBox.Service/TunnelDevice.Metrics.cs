using TunnelBox.Crypto;
using TunnelBox.Protocol;
using TunnelBox.Service.Metrics;
using TunnelBox.Visibility;

namespace TunnelBox.Service;

/// <content>The device as metrics tell of it.</content>
public sealed partial class TunnelDevice
{
    private readonly List<IDisposable> _exports = [];

    private TunnelReading Reading()
    {
        IReadOnlyList<Peer> peers;
        PublicKey publicKey;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            peers = edit.Peers;
            publicKey = edit.PublicKey;
        }

        AllowedIps<Peer> allowedIps = _tunnel.AllowedIps;
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return new TunnelReading(
            Report(publicKey, peers.Count),
            StatOfAll(),
            [.. peers.Where(peer => !peer.IsRemoved).Select(peer => new PeerReading(Report(peer, allowedIps, now), DropsOf(peer)))]);
    }

    private static IReadOnlyList<(string Reason, long Packets)> DropsOf(Peer peer)
    {
        if (!peer.Drops.Any)
        {
            return [];
        }

        CounterTotals totals = peer.Drops.Read();
        return [.. DropReasons.All.Where(reason => totals.Drops(reason.Reason) != 0).Select(reason => (reason.Name, totals.Drops(reason.Reason)))];
    }

    // A tunnel without metrics is better than none: what fails here is said, and the tunnel goes on.
    private void StartMetrics(int patience)
    {
        MetricsAddress? address = MetricsAddress.Of(_options.Settings, _options.InterfaceName);
        MetricsAddress? health = _options.Probes is null ? null : MetricsAddress.OfHealth(_options.Settings, _options.InterfaceName);
        bool together = address is not null && address.ToString() == health?.ToString();
        if (health is not null && !together)
        {
            Serve(health, null, "health is", true, patience);
        }

        if (address is null && _options.Settings.Otlp is null)
        {
            return;
        }

        TunnelMetrics metrics = new(Reading);
        _exports.Add(metrics);
        if (address is not null)
        {
            Serve(address, metrics, together ? "metrics and health are" : "metrics are", together, patience);
        }

        if (_options.Settings.Otlp is { } collector)
        {
            _exports.Insert(0, new OtlpExport(collector, _options.InterfaceName));
            _log.Info($"{InterfaceName}: metrics are sent to {collector.AbsoluteUri}");
        }
    }

    private void Serve(MetricsAddress address, TunnelMetrics? metrics, string what, bool together, int patience)
    {
        long until = Environment.TickCount64 + patience;
        while (true)
        {
            try
            {
                _exports.Insert(0, MetricsServer.Start(address, metrics, together ? _options.Probes : null));
                _log.Info($"{InterfaceName}: {what} served at {address.ToString()}");
                return;
            }
            catch (StartException refused)
            {
                // The process before has it until it has ended.
                if (Environment.TickCount64 >= until)
                {
                    _log.Error($"{InterfaceName}: {refused.Message}");
                    return;
                }
            }

            Thread.Sleep(50);
        }
    }

    private void StopMetrics()
    {
        _exports.ForEach(export => export.Dispose());
        _exports.Clear();
    }
}
