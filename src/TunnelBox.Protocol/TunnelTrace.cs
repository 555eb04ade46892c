using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using TunnelBox.Crypto;
using TunnelBox.Linux.Tracing;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <summary>
/// Tells of what happens in a tunnel: to the tracing probes, to the event source, and to those who watch control events. With
/// nobody there each call is a few loads and branches.
/// </summary>
public sealed partial class TunnelTrace
{
    private static readonly byte[][] s_reasons = [.. Enum.GetValues<DropReason>().Select(reason => Probes.Text(reason.ToString()))];

    private readonly TimeProvider _clock;
    private byte[] _device = Probes.Text(string.Empty);
    private string _name = string.Empty;
    private ImmutableArray<ControlWatch> _watches = [];

    internal TunnelTrace(TimeProvider clock) => _clock = clock;

    /// <summary>Gets or sets the interface's name, which every event carries.</summary>
    public string Device
    {
        get => _name;
        set
        {
            _name = value;
            _device = Probes.Text(value);
        }
    }

    /// <summary>Gets a value indicating whether anybody wants to hear of packets in.</summary>
    public static bool PacketInOn => Observation.On && (Probes.PacketInAttached || TunnelEvents.Log.PacketsOn);

    /// <summary>Gets a value indicating whether anybody wants to hear of packets out.</summary>
    public static bool PacketOutOn => Observation.On && (Probes.PacketOutAttached || TunnelEvents.Log.PacketsOn);

    private bool Watched => !_watches.IsEmpty || TunnelEvents.Log.ControlOn;

    /// <summary>Gives the number by which probes know a peer.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The first eight bytes of its public key, the first being the highest; 0 for no peer.</returns>
    public static ulong IdOf(Peer? peer)
    {
        if (peer is null)
        {
            return 0;
        }

        Span<byte> key = stackalloc byte[PublicKey.Size];
        peer.PublicKey.CopyTo(key);
        return BinaryPrimitives.ReadUInt64BigEndian(key);
    }

    /// <summary>Begins to watch control events; dispose the watch to end.</summary>
    /// <returns>The watch.</returns>
    public ControlWatch Watch()
    {
        var watch = new ControlWatch(left => ImmutableInterlocked.Update(ref _watches, watches => watches.Remove(left)));
        ImmutableInterlocked.Update(ref _watches, watches => watches.Add(watch));
        return watch;
    }

    /// <summary>A packet passed; ask <see cref="PacketInOn"/> or <see cref="PacketOutOn"/> first.</summary>
    /// <param name="outward">Whether it went out.</param>
    /// <param name="packet">The packet.</param>
    public void Packet(bool outward, in PacketProbe packet)
    {
        if (outward ? Probes.PacketOutAttached : Probes.PacketInAttached)
        {
            Probes.Packet(outward, _device, packet);
        }

        if (!TunnelEvents.Log.PacketsOn)
        {
            return;
        }

        if (outward)
        {
            TunnelEvents.Log.PacketOut((long)packet.Peer, (long)packet.Counter, packet.Inner);
        }
        else
        {
            TunnelEvents.Log.PacketIn((long)packet.Peer, (long)packet.Counter, packet.Inner);
        }
    }

    /// <summary>Packets or handshakes were dropped.</summary>
    /// <param name="peer">Whose, or null for unknown.</param>
    /// <param name="reason">Why.</param>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <param name="worker">The writer that counts them.</param>
    public void Drop(Peer? peer, DropReason reason, int packets, long bytes, int worker)
    {
        if (Probes.PacketDropAttached)
        {
            Probes.PacketDrop(_device, IdOf(peer), s_reasons[(int)reason], packets, bytes, worker);
        }

        if (reason is DropReason.OutNoQueueSpace or DropReason.InNoQueueSpace or DropReason.InHandshakeQueueFull && Probes.QueueFullAttached)
        {
            Probes.QueueFull(_device, IdOf(peer), s_reasons[(int)reason], worker);
        }

        if (TunnelEvents.Log.DropsOn)
        {
            TunnelEvents.Log.PacketDrop(_name, reason.ToString(), peer?.PublicKey.ToString() ?? string.Empty);
        }
    }

    /// <summary>A handshake of ours ended without a session.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="reason">Why.</param>
    internal void HandshakeEnded(Peer peer, DropReason reason) => Tell("handshake_end", peer, string.Empty, reason);

    internal void HandshakeSent(Peer peer, MessageType type, uint index, int length)
    {
        if (Probes.HandshakeSendAttached)
        {
            Probes.HandshakeSend(_device, IdOf(peer), (int)type, index, length);
        }

        if (Watched)
        {
            Tell("handshake_send", peer, $"{type} to {peer.Endpoint?.Remote.ToIPEndPoint()}");
        }
    }

    internal void HandshakeReceived(Peer? peer, MessageType type, in EndpointAddress from, DropReason reason, int length)
    {
        if (Probes.HandshakeReceiveAttached)
        {
            Probes.HandshakeReceive(_device, IdOf(peer), (int)type, s_reasons[(int)reason], length);
        }

        if (Watched)
        {
            Tell("handshake_receive", peer, $"{type} from {from.ToIPEndPoint()}", reason);
        }
    }

    internal void HandshakeCompleted(Peer peer, bool initiator, long nanoseconds)
    {
        if (Probes.HandshakeCompleteAttached)
        {
            Probes.HandshakeComplete(_device, IdOf(peer), initiator, nanoseconds);
        }

        if (Watched)
        {
            Tell("handshake_complete", peer, string.Create(CultureInfo.InvariantCulture, $"as {(initiator ? "initiator" : "responder")} in {nanoseconds / 1e6:0.000} ms"));
        }
    }

    internal void SessionMade(Peer peer, Keypair keypair)
    {
        if (Probes.SessionNewAttached)
        {
            Probes.SessionNew(_device, IdOf(peer), keypair.LocalIndex, keypair.RemoteIndex, keypair.IsInitiator);
        }

        if (Watched)
        {
            Tell("session_new", peer, $"{keypair.LocalIndex:x8}");
        }
    }

    internal void SessionEnded(Keypair keypair, long now)
    {
        if (Probes.SessionExpireAttached)
        {
            Probes.SessionExpire(_device, IdOf(keypair.Peer), keypair.LocalIndex, keypair.SentPackets, now - keypair.Created);
        }

        if (Watched)
        {
            Tell("session_expire", keypair.Peer, string.Create(
                CultureInfo.InvariantCulture, $"{keypair.LocalIndex:x8} after {(now - keypair.Created) / 1e9:0.0} s and {keypair.SentPackets} packets sent"));
        }
    }

    /// <summary>A peer has roamed.</summary>
    /// <param name="peer">The peer, already at its new place.</param>
    public void EndpointChanged(Peer peer)
    {
        if (!Probes.EndpointChangeAttached && !Watched)
        {
            return;
        }

        string endpoint = peer.Endpoint?.Remote.ToIPEndPoint().ToString() ?? string.Empty;
        if (Probes.EndpointChangeAttached)
        {
            Probes.EndpointChange(_device, IdOf(peer), Probes.Text(endpoint));
        }

        Tell("endpoint_change", peer, endpoint);
    }

    /// <summary>Something happened around the tunnel that no probe tells: a name was resolved, the MTU followed its route.</summary>
    /// <param name="name">What, in the manner of the probes' names.</param>
    /// <param name="peer">Whose, or null for the interface's.</param>
    /// <param name="detail">What it says, for people.</param>
    public void Around(string name, Peer? peer, string detail) => Tell(name, peer, detail);

    internal void Rekeying(Peer peer, bool retry)
    {
        if (Probes.RekeyAttached)
        {
            Probes.Rekey(_device, IdOf(peer), peer.Current?.LocalIndex ?? 0, retry);
        }

        if (Watched)
        {
            Tell("rekey", peer, retry ? "no answer yet" : "the session grows old");
        }
    }

    // Called under the tunnel's lock and by workers: it only queues.
    private void Tell(string name, Peer? peer, string detail, DropReason reason = DropReason.None)
    {
        if (!Watched)
        {
            return;
        }

        if (TunnelEvents.Log.ControlOn)
        {
            TunnelEvents.Log.Control($"{_name} {name}", peer?.PublicKey.ToString() ?? string.Empty, reason == DropReason.None ? detail : $"{detail} {reason}");
        }

        var happened = new ControlEvent(_clock.GetUtcNow(), name, peer?.PublicKey, detail, reason == DropReason.None ? null : reason.ToString());
        foreach (ControlWatch watch in _watches)
        {
            watch.Add(happened);
        }
    }
}
