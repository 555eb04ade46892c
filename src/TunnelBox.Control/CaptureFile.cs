using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Control;

/// <summary>Which packets a capture holds.</summary>
[Flags]
public enum CaptureLayers
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Inner packets, decrypted.</summary>
    Inner = 1,

    /// <summary>Outer packets, as they are on the network.</summary>
    Outer = 2,
}

/// <summary>Turns records into a capture file: one interface a peer and layer, named by tunnel and peer, and drop reasons as comments.</summary>
/// <param name="writer">The file.</param>
/// <param name="layers">Which packets.</param>
/// <param name="snap">Most bytes of a packet, from its IP header on.</param>
/// <param name="interfaceName">The tunnel.</param>
/// <param name="peers">The peers by the number that records have.</param>
public sealed class CaptureFile(PcapngWriter writer, CaptureLayers layers, int snap, string interfaceName, IReadOnlyDictionary<ulong, TracePeer> peers)
{
    private static readonly string?[] s_comments = MakeComments();
    private readonly Dictionary<(ulong Peer, CaptureLayers Layer), int> _interfaces = [];

    /// <summary>Adds what a record holds of the wanted layers.</summary>
    /// <param name="entry">The record.</param>
    /// <exception cref="IOException">The file cannot take more.</exception>
    public void Add(in RingEntry entry)
    {
        ref readonly RingRecord head = ref entry.Record;
        if (head.Verdict == RecordVerdict.Queued)
        {
            // It comes again when it leaves its queue.
            return;
        }

        string? comment = (int)head.Reason < s_comments.Length ? s_comments[(int)head.Reason] : null;
        int queue = head.Worker == 0 ? -1 : head.Queue;
        if ((layers & CaptureLayers.Inner) != CaptureLayers.None && !entry.Inner.IsEmpty)
        {
            writer.Add(
                InterfaceOf(head.Peer, CaptureLayers.Inner), entry.Time, default, entry.Inner[..Math.Min(entry.Inner.Length, snap)], (int)head.InnerLength, head.Direction, queue, comment);
        }

        if ((layers & CaptureLayers.Outer) != CaptureLayers.None && head.OuterLength > 0 && head.OuterFamily != 0)
        {
            Span<byte> header = stackalloc byte[OuterHeader.MaxSize];
            header = header[..OuterHeader.Write(head, entry.Outer, header)];
            int captured = Math.Clamp(snap - header.Length, 0, entry.Outer.Length);
            writer.Add(
                InterfaceOf(head.Peer, CaptureLayers.Outer), entry.Time, header, entry.Outer[..captured], header.Length + (int)head.OuterLength, head.Direction, queue, comment);
        }
    }

    /// <summary>Ends the file with its statistics.</summary>
    /// <param name="lost">Records that are missing.</param>
    /// <exception cref="IOException">The file cannot take more.</exception>
    public void End(long lost)
    {
        if (_interfaces.Count > 0)
        {
            // Nobody knows whose the lost ones were; they stand at the first interface.
            writer.AddStatistics(0, (DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) * 100, writer.Packets + lost, lost);
        }

        writer.Flush();
    }

    private static string?[] MakeComments()
    {
        string?[] comments = new string?[DropReasons.Count];
        foreach (DropReasonDescription reason in DropReasons.All)
        {
            comments[(int)reason.Reason] = $"dropped: {reason.Name}: {reason.Meaning}";
        }

        return comments;
    }

    private int InterfaceOf(ulong peer, CaptureLayers layer)
    {
        if (!_interfaces.TryGetValue((peer, layer), out int number))
        {
            string who = peers.GetValueOrDefault(peer) is { } known ? $"peer {known.Name ?? known.PublicKey}" : "no peer";
            string what = layer == CaptureLayers.Inner ? "inner" : "outer";
            string description = layer == CaptureLayers.Inner
                ? "decrypted packets as the tunnel interface has them"
                : "WireGuard datagrams; their IP and UDP headers are made from the addresses of the sockets";
            number = writer.AddInterface($"{interfaceName} {who} {what}", description, snap);
            _interfaces.Add((peer, layer), number);
        }

        return number;
    }
}
