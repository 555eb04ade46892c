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
    private void StartMetrics()
    {
        MetricsAddress? address = MetricsAddress.Of(_options.Settings, _options.InterfaceName);
        if (address is null && _options.Settings.Otlp is null)
        {
            return;
        }

        TunnelMetrics metrics = new(Reading);
        _exports.Add(metrics);
        try
        {
            if (address is not null)
            {
                _exports.Insert(0, MetricsServer.Start(address, metrics));
                _log.Info($"{InterfaceName}: metrics are served at {address.ToString()}");
            }
        }
        catch (StartException refused)
        {
            _log.Error($"{InterfaceName}: {refused.Message}");
        }

        if (_options.Settings.Otlp is { } collector)
        {
            _exports.Insert(0, new OtlpExport(collector, _options.InterfaceName));
            _log.Info($"{InterfaceName}: metrics are sent to {collector.AbsoluteUri}");
        }
    }

    private void StopMetrics()
    {
        _exports.ForEach(export => export.Dispose());
        _exports.Clear();
    }
}
