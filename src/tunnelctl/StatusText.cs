using System.Globalization;
using System.Text;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>Writes the status of an interface for people.</summary>
internal static class StatusText
{
    /// <summary>Writes it.</summary>
    /// <param name="report">What the daemon told.</param>
    /// <param name="now">The time that ages of handshakes count from.</param>
    /// <returns>The text.</returns>
    public static string Of(InterfaceReport report, DateTimeOffset now)
    {
        StringBuilder text = new();
        DeviceReport device = report.Device;
        text.Append(CultureInfo.InvariantCulture, $"{device.Interface}: {(device.Up ? "up" : "down")}, MTU {device.Mtu}{Origin(device)}, ");
        text.Append(device.ListenPort == 0 ? "no UDP port" : $"UDP port {device.ListenPort}");
        text.Append(device.FirewallMark == 0 ? string.Empty : $", mark 0x{device.FirewallMark:x}");
        text.Append(CultureInfo.InvariantCulture, $", process {device.Process}\n");
        Line(text, "public key", device.PublicKey ?? "none; set a private key");
        Line(text, "ports", $"{device.InnerPort} inside, {device.OuterPort} outside, {Count(device.Workers, "worker")}");
        Line(text, "offloads", $"inside {Words(device.InnerOffloads)}; outside {(device.Up ? Words(device.OuterOffloads) : "none while down")}");
        foreach (string note in device.OffloadNotes)
        {
            Line(text, string.Empty, note);
        }

        if (device.WorkerList is { Count: > 0 } workers)
        {
            Line(text, "steering", $"{device.Steering}; \"tunnelctl steer {device.Interface}\" shows the rules");
            foreach (WorkerReport worker in workers.Take(MostQueues))
            {
                Line(text, $"worker {worker.Number}", string.Create(
                    CultureInfo.InvariantCulture,
                    $"{(worker.Cpu is { } cpu ? $"on CPU {cpu}" : "on any CPU")}, owns {Count(worker.Peers, "peer")}{(worker.PacketsPerSecond is { } packets ? $" ({packets} packets/s)" : string.Empty)}, opened {Bursts(worker.OpenedForOthers)} for others, offered {Bursts(worker.Offered)}"));
            }
        }

        if (device.FramesNode is { } node)
        {
            Line(text, "frames", node);
        }

        Queues(text, "queue", device.OuterQueues);
        Queues(text, "lan queue", device.InnerQueues);

        Line(text, "cipher", device.AeadReason.StartsWith(device.Aead, StringComparison.Ordinal) ? device.AeadReason : $"{device.Aead}: {device.AeadReason}");
        Line(text, "keys", device.KeysLocked ? "locked in memory" : $"not locked in memory. {device.KeysNote}");
        Line(text, "queues", string.Create(
            CultureInfo.InvariantCulture,
            $"{device.WaitingHandshakes} of {device.HandshakePlaces} handshakes wait{(device.UnderLoad ? " (under load)" : string.Empty)}; longest pass of a worker {device.LongestPassMicroseconds / 1000.0:0.###} ms"));
        Line(text, "peers", Summary(report.Peers));
        foreach (PeerReport peer in report.Peers)
        {
            Peer(text, peer, now);
        }

        return text.ToString();
    }

    // A device may have 64; the others stand in --json.
    private const int MostQueues = 8;

    private static void Queues(StringBuilder text, string label, IReadOnlyList<QueueReport>? queues)
    {
        foreach (QueueReport queue in queues?.Take(MostQueues) ?? [])
        {
            Line(text, $"{label} {queue.Queue}", string.Create(
                CultureInfo.InvariantCulture,
                $"{queue.Mode}, worker {queue.Worker}, {queue.Frames} frames: {queue.Fill} to receive into, {queue.Free + queue.Completed} free, {queue.Received + queue.Held + queue.Transmit} in work, {queue.Away} away"));
        }
    }

    private static string Origin(DeviceReport device) => device.MtuOrigin switch
    {
        MtuOrigin.File => " (from the file)",
        MtuOrigin.Hand => " (set by hand; it follows no route)",
        MtuOrigin.Route when device.MtuLink is not null =>
            $" (follows the {(device.MtuEndpoint is null ? "default route" : $"route to {device.MtuEndpoint}")} through {device.MtuLink}, which carries {device.MtuLinkCarries})",
        MtuOrigin.Route => " (waits for a route to follow)",
        _ => string.Empty,
    };

    private static void Peer(StringBuilder text, PeerReport peer, DateTimeOffset now)
    {
        text.Append(CultureInfo.InvariantCulture, $"\n  {peer.Name ?? peer.PublicKey}: {State(peer)}\n");
        if (peer.HealthDetail is not null)
        {
            Line(text, "  health", $"{peer.Health.ToString().ToLowerInvariant()}: {peer.HealthDetail}");
        }

        if (peer.Name is not null)
        {
            Line(text, "  key", peer.PublicKey);
        }

        string? name = peer.EndpointName is null ? null
            : $" ({peer.EndpointName}{(peer.ResolvedAge is { } age ? $", resolved {Ago(age)}" : ", not resolved yet")}{(peer.ResolveFault is { } fault ? $"; the last attempt failed: {fault}" : string.Empty)})";
        Line(text, "  endpoint", (peer.Endpoint ?? "unknown") + name);
        Line(text, "  allowed", peer.AllowedIps.Count == 0 ? "none" : string.Join(", ", peer.AllowedIps));
        Line(text, "  handshake", peer.LatestHandshake is { } at ? Ago(Math.Max((now - at).TotalSeconds, 0)) : "never");
        Line(text, "  traffic", $"{Bytes(peer.ReceivedBytes)} received, {Bytes(peer.SentBytes)} sent"
            + (peer.WaitingPackets > 0 ? $", {Count(peer.WaitingPackets, "packet")} waiting" : string.Empty)
            + (peer.PersistentKeepalive > 0 ? $", kept alive every {peer.PersistentKeepalive} s" : string.Empty));
    }

    private static string State(PeerReport peer)
    {
        string heard = peer.ReceivedAge is { } age ? $"heard {Ago(age)}" : "never heard";
        string asked = peer.AskedAge is { } ago && peer.State is PeerLiveness.Silent or PeerLiveness.Never ? $", asked {Ago(peer.AskedAge ?? ago)} without an answer" : string.Empty;
        return peer.State switch
        {
            PeerLiveness.Active => $"active, {heard}",
            PeerLiveness.Idle => $"idle, {heard}, nothing asked since",
            PeerLiveness.Silent => $"silent, {heard}{asked}",
            _ => $"never heard since the daemon started{asked}",
        };
    }

    private static string Summary(IReadOnlyList<PeerReport> peers)
    {
        if (peers.Count == 0)
        {
            return "none";
        }

        IEnumerable<string> states = peers.CountBy(peer => peer.State).OrderBy(state => state.Key)
            .Select(state => $"{state.Value} {(state.Key == PeerLiveness.Never ? "never heard" : state.Key.ToString().ToLowerInvariant())}");
        return $"{peers.Count}: {string.Join(", ", states)}";
    }

    private static void Line(StringBuilder text, string label, string value) => text.Append(CultureInfo.InvariantCulture, $"  {label,-12}{value}\n");

    private static string Words(IReadOnlyList<string> words) => words.Count == 0 ? "none" : string.Join(' ', words);

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? string.Empty : "s")}";

    private static string Bursts(long count) => count == 1 ? "1 burst" : string.Create(CultureInfo.InvariantCulture, $"{count} bursts");

    private static string Ago(double seconds) => seconds switch
    {
        < 1 => "just now",
        < 120 => $"{(long)seconds} s ago",
        < 7200 => $"{(long)(seconds / 60)} min ago",
        < 172_800 => $"{(long)(seconds / 3600)} h ago",
        _ => $"{(long)(seconds / 86_400)} days ago",
    };

    private static string Bytes(long bytes)
    {
        ReadOnlySpan<string> units = ["B", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value:0.##} {units[unit]}");
    }
}
