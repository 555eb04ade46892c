using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>What a tunnel's daemon said at one moment.</summary>
/// <param name="Status">Device and peers.</param>
/// <param name="Stat">Counts.</param>
/// <param name="Load">Workers and round trips.</param>
/// <param name="Time">When, in seconds of any clock that does not jump.</param>
internal sealed record TopSample(InterfaceReport Status, StatAnswer Stat, LoadAnswer Load, double Time);

/// <summary>The tables of <c>top</c>, from sample to sample: rates with their last values, handshakes, drops by reason, load of workers.</summary>
internal sealed class TopTable
{
    /// <summary>Peers shown: the busiest.</summary>
    public const int MostPeers = 20;

    private readonly Dictionary<string, (Sparkline In, Sparkline Out)> _lines = new(StringComparer.Ordinal);
    private TopSample? _before;

    /// <summary>Makes the tables of a sample.</summary>
    /// <param name="now">The sample.</param>
    /// <returns>What to show.</returns>
    public IRenderable Next(TopSample now)
    {
        TopSample before = _before ?? now;
        double seconds = Math.Max(now.Time - before.Time, 1e-3);
        _before = now;
        DeviceReport device = now.Status.Device;
        return new Rows(
            new Text($"{device.Interface} {(device.Up ? "up" : "down")}, {device.PeerCount} peers, in {Bits(Rate(now.Stat.InBytes, before.Stat.InBytes) * 8)} {Number(Rate(now.Stat.InPackets, before.Stat.InPackets))} packets/s, "
                + $"out {Bits(Rate(now.Stat.OutBytes, before.Stat.OutBytes) * 8)} {Number(Rate(now.Stat.OutPackets, before.Stat.OutPackets))} packets/s"),
            Peers(now, before, seconds),
            Drops(now, before, seconds),
            Workers(now, before));

        double Rate(long late, long early) => Math.Max(late - early, 0) / seconds;
    }

    private static Table NewTable(params string[] columns)
    {
        Table table = new Table().Border(TableBorder.Simple).Expand();
        for (int i = 0; i < columns.Length; i++)
        {
            var column = new TableColumn(new Text(columns[i])) { NoWrap = true };
            table.AddColumn(i == 0 ? column : column.RightAligned());
        }

        return table;
    }

    private static string Bits(double rate) => rate switch
    {
        >= 1e9 => string.Create(CultureInfo.InvariantCulture, $"{rate / 1e9:0.00} Gbit/s"),
        >= 1e6 => string.Create(CultureInfo.InvariantCulture, $"{rate / 1e6:0.0} Mbit/s"),
        >= 1e3 => string.Create(CultureInfo.InvariantCulture, $"{rate / 1e3:0.0} kbit/s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{rate:0} bit/s"),
    };

    private static string Number(double value) => value.ToString(value >= 100 ? "0" : "0.#", CultureInfo.InvariantCulture);

    private static string Age(DateTimeOffset? at) => at is not { } time ? "never" : (DateTimeOffset.UtcNow - time).TotalSeconds switch
    {
        < 120 and double seconds => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(seconds, 0):0} s"),
        < 7200 and double seconds => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:0} min"),
        var seconds => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:0} h"),
    };

    private static Table Drops(TopSample now, TopSample before, double seconds)
    {
        Table table = NewTable("dropped for", "packets/s", "in all");
        Dictionary<string, long> early = before.Stat.Reasons.ToDictionary(reason => reason.Name, reason => reason.Packets, StringComparer.Ordinal);
        foreach (StatReason reason in now.Stat.Reasons.Where(reason => reason.Packets > 0).OrderByDescending(reason => reason.Packets - early.GetValueOrDefault(reason.Name)).Take(10))
        {
            table.AddRow(
                new Text(reason.Name),
                new Text(Number(Math.Max(reason.Packets - early.GetValueOrDefault(reason.Name), 0) / seconds)),
                new Text(reason.Packets.ToString(CultureInfo.InvariantCulture)));
        }

        return table;
    }

    private static Table Workers(TopSample now, TopSample before)
    {
        Table table = NewTable("worker", "busy", "longest pass");
        foreach (WorkerLoad worker in now.Load.Workers)
        {
            // A worker that was not there before has its whole life to be judged by.
            WorkerLoad? early = before.Load.Workers.FirstOrDefault(other => other.Name == worker.Name && other.AgeMilliseconds < worker.AgeMilliseconds);
            double age = worker.AgeMilliseconds - (early?.AgeMilliseconds ?? 0);
            double asleep = worker.AsleepMilliseconds - (early?.AsleepMilliseconds ?? 0);
            table.AddRow(
                new Text(worker.Name),
                new Text(string.Create(CultureInfo.InvariantCulture, $"{(age <= 0 ? 0 : Math.Clamp(100 * (1 - (asleep / age)), 0, 100)):0} %")),
                new Text(string.Create(CultureInfo.InvariantCulture, $"{worker.LongestPassMicroseconds:0} µs")));
        }

        return table;
    }

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    private Table Peers(TopSample now, TopSample before, double seconds)
    {
        Table table = NewTable("peer", "state", "endpoint", "in", string.Empty, "out", string.Empty, "handshake", "round trip");
        Dictionary<string, PeerReport> early = before.Status.Peers.ToDictionary(peer => peer.PublicKey, StringComparer.Ordinal);
        Dictionary<string, double> trips = now.Load.RoundTrips.ToDictionary(trip => trip.PublicKey, trip => trip.Milliseconds, StringComparer.Ordinal);
        var rated = now.Status.Peers.Select(peer =>
        {
            PeerReport was = early.GetValueOrDefault(peer.PublicKey) ?? peer;
            return (Peer: peer, In: Math.Max(peer.ReceivedBytes - was.ReceivedBytes, 0) * 8 / seconds, Out: Math.Max(peer.SentBytes - was.SentBytes, 0) * 8 / seconds);
        }).OrderByDescending(peer => peer.In + peer.Out).Take(MostPeers);
        foreach ((PeerReport peer, double inward, double outward) in rated)
        {
            if (!_lines.TryGetValue(peer.PublicKey, out (Sparkline In, Sparkline Out) lines))
            {
                _lines[peer.PublicKey] = lines = (new Sparkline(), new Sparkline());
            }

            lines.In.Add(inward);
            lines.Out.Add(outward);
            table.AddRow(
                new Text(peer.Name ?? peer.PublicKey[..8] + "…"),
                new Text(peer.Health is PeerHealth.Well or PeerHealth.Quiet ? Word(peer.State) : $"{Word(peer.State)}, {Word(peer.Health)}"),
                new Text(peer.Endpoint ?? "-"),
                new Text(Bits(inward)),
                new Text(lines.In.ToString()),
                new Text(Bits(outward)),
                new Text(lines.Out.ToString()),
                new Text(Age(peer.LatestHandshake)),
                new Text(trips.TryGetValue(peer.PublicKey, out double trip) ? string.Create(CultureInfo.InvariantCulture, $"{trip:0.0} ms") : "-"));
        }

        return table;
    }
}
