using System.Text;

namespace TunnelBox.Linux.Tracing;

/// <summary>
/// The static probes of provider <c>tunnelbox</c>. Ask <c>…Attached</c> first: that is one load and one branch, and only when it
/// says yes is native code called. Arguments are those of native/probes/README.md.
/// </summary>
public static unsafe class Probes
{
    private static readonly ushort* s_packetIn = ProbeLibrary.Semaphore("packet_in");
    private static readonly ushort* s_packetOut = ProbeLibrary.Semaphore("packet_out");
    private static readonly ushort* s_packetDrop = ProbeLibrary.Semaphore("packet_drop");
    private static readonly ushort* s_handshakeSend = ProbeLibrary.Semaphore("handshake_send");
    private static readonly ushort* s_handshakeReceive = ProbeLibrary.Semaphore("handshake_receive");
    private static readonly ushort* s_handshakeComplete = ProbeLibrary.Semaphore("handshake_complete");
    private static readonly ushort* s_sessionNew = ProbeLibrary.Semaphore("session_new");
    private static readonly ushort* s_sessionExpire = ProbeLibrary.Semaphore("session_expire");
    private static readonly ushort* s_endpointChange = ProbeLibrary.Semaphore("endpoint_change");
    private static readonly ushort* s_rekey = ProbeLibrary.Semaphore("rekey");
    private static readonly ushort* s_steerRule = ProbeLibrary.Semaphore("steer_rule");
    private static readonly ushort* s_queueFull = ProbeLibrary.Semaphore("queue_full");

    private static readonly delegate* unmanaged<byte*, ulong, uint, ulong, uint, ulong*, void> s_firePacketIn =
        (delegate* unmanaged<byte*, ulong, uint, ulong, uint, ulong*, void>)ProbeLibrary.Function("packet_in");

    private static readonly delegate* unmanaged<byte*, ulong, uint, ulong, uint, ulong*, void> s_firePacketOut =
        (delegate* unmanaged<byte*, ulong, uint, ulong, uint, ulong*, void>)ProbeLibrary.Function("packet_out");

    private static readonly delegate* unmanaged<byte*, ulong, byte*, uint, ulong, uint, void> s_firePacketDrop =
        (delegate* unmanaged<byte*, ulong, byte*, uint, ulong, uint, void>)ProbeLibrary.Function("packet_drop");

    private static readonly delegate* unmanaged<byte*, ulong, uint, uint, uint, void> s_fireHandshakeSend =
        (delegate* unmanaged<byte*, ulong, uint, uint, uint, void>)ProbeLibrary.Function("handshake_send");

    private static readonly delegate* unmanaged<byte*, ulong, uint, byte*, uint, void> s_fireHandshakeReceive =
        (delegate* unmanaged<byte*, ulong, uint, byte*, uint, void>)ProbeLibrary.Function("handshake_receive");

    private static readonly delegate* unmanaged<byte*, ulong, uint, ulong, void> s_fireHandshakeComplete =
        (delegate* unmanaged<byte*, ulong, uint, ulong, void>)ProbeLibrary.Function("handshake_complete");

    private static readonly delegate* unmanaged<byte*, ulong, uint, uint, uint, void> s_fireSessionNew =
        (delegate* unmanaged<byte*, ulong, uint, uint, uint, void>)ProbeLibrary.Function("session_new");

    private static readonly delegate* unmanaged<byte*, ulong, uint, ulong, ulong, void> s_fireSessionExpire =
        (delegate* unmanaged<byte*, ulong, uint, ulong, ulong, void>)ProbeLibrary.Function("session_expire");

    private static readonly delegate* unmanaged<byte*, ulong, byte*, void> s_fireEndpointChange =
        (delegate* unmanaged<byte*, ulong, byte*, void>)ProbeLibrary.Function("endpoint_change");

    private static readonly delegate* unmanaged<byte*, ulong, uint, uint, void> s_fireRekey =
        (delegate* unmanaged<byte*, ulong, uint, uint, void>)ProbeLibrary.Function("rekey");

    private static readonly delegate* unmanaged<byte*, uint, uint, ulong, byte*, byte*, void> s_fireSteerRule =
        (delegate* unmanaged<byte*, uint, uint, ulong, byte*, byte*, void>)ProbeLibrary.Function("steer_rule");

    private static readonly delegate* unmanaged<byte*, ulong, byte*, uint, void> s_fireQueueFull =
        (delegate* unmanaged<byte*, ulong, byte*, uint, void>)ProbeLibrary.Function("queue_full");

    /// <summary>Gets a value indicating whether somebody is attached to <c>packet_in</c>.</summary>
    public static bool PacketInAttached => Volatile.Read(ref *s_packetIn) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>packet_out</c>.</summary>
    public static bool PacketOutAttached => Volatile.Read(ref *s_packetOut) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>packet_drop</c>.</summary>
    public static bool PacketDropAttached => Volatile.Read(ref *s_packetDrop) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>handshake_send</c>.</summary>
    public static bool HandshakeSendAttached => Volatile.Read(ref *s_handshakeSend) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>handshake_receive</c>.</summary>
    public static bool HandshakeReceiveAttached => Volatile.Read(ref *s_handshakeReceive) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>handshake_complete</c>.</summary>
    public static bool HandshakeCompleteAttached => Volatile.Read(ref *s_handshakeComplete) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>session_new</c>.</summary>
    public static bool SessionNewAttached => Volatile.Read(ref *s_sessionNew) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>session_expire</c>.</summary>
    public static bool SessionExpireAttached => Volatile.Read(ref *s_sessionExpire) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>endpoint_change</c>.</summary>
    public static bool EndpointChangeAttached => Volatile.Read(ref *s_endpointChange) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>rekey</c>.</summary>
    public static bool RekeyAttached => Volatile.Read(ref *s_rekey) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>steer_rule</c>.</summary>
    public static bool SteerRuleAttached => Volatile.Read(ref *s_steerRule) != 0;

    /// <summary>Gets a value indicating whether somebody is attached to <c>queue_full</c>.</summary>
    public static bool QueueFullAttached => Volatile.Read(ref *s_queueFull) != 0;

    /// <summary>Makes the bytes that the text arguments take: UTF-8 with a zero behind.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The bytes.</returns>
    public static byte[] Text(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    /// <summary>Fires <c>packet_in</c> or <c>packet_out</c>, while attached.</summary>
    /// <param name="outward">Which of the two.</param>
    /// <param name="device">The interface.</param>
    /// <param name="packet">The packet.</param>
    public static void Packet(bool outward, byte[] device, in PacketProbe packet)
    {
        // struct tunnelbox_packet of native/probes/probes.c.
        ulong* more = stackalloc ulong[] { packet.Outer, packet.Worker, packet.First, packet.Second, packet.Third };
        fixed (byte* name = device)
        {
            (outward ? s_firePacketOut : s_firePacketIn)(name, packet.Peer, packet.Receiver, packet.Counter, packet.Inner, more);
        }
    }

    /// <summary>Fires <c>packet_drop</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer, 0 for unknown.</param>
    /// <param name="reason">The reason's name.</param>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <param name="worker">The writer that counts them.</param>
    public static void PacketDrop(byte[] device, ulong peer, byte[] reason, int packets, long bytes, int worker)
    {
        fixed (byte* name = device, why = reason)
        {
            s_firePacketDrop(name, peer, why, (uint)packets, (ulong)bytes, (uint)worker);
        }
    }

    /// <summary>Fires <c>steer_rule</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="queue">Where the rule leads; 65,535 for any queue.</param>
    /// <param name="worker">Whom it leads to; 65,535 for any worker.</param>
    /// <param name="match">What it matches: a receiver index, or a hash.</param>
    /// <param name="backend">Who holds it.</param>
    /// <param name="state">What became of it.</param>
    public static void SteerRule(byte[] device, uint queue, uint worker, ulong match, byte[] backend, byte[] state)
    {
        fixed (byte* name = device, holder = backend, became = state)
        {
            s_fireSteerRule(name, queue, worker, match, holder, became);
        }
    }

    /// <summary>Fires <c>queue_full</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer, 0 for unknown.</param>
    /// <param name="reason">The reason's name, which says which queue.</param>
    /// <param name="worker">The writer that counts it.</param>
    public static void QueueFull(byte[] device, ulong peer, byte[] reason, int worker)
    {
        fixed (byte* name = device, why = reason)
        {
            s_fireQueueFull(name, peer, why, (uint)worker);
        }
    }

    /// <summary>Fires <c>handshake_send</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="type">1 initiation, 2 response.</param>
    /// <param name="index">Our index in it.</param>
    /// <param name="length">Its bytes.</param>
    public static void HandshakeSend(byte[] device, ulong peer, int type, uint index, int length)
    {
        fixed (byte* name = device)
        {
            s_fireHandshakeSend(name, peer, (uint)type, index, (uint)length);
        }
    }

    /// <summary>Fires <c>handshake_receive</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer, 0 for unknown.</param>
    /// <param name="type">1 initiation, 2 response, 3 cookie reply.</param>
    /// <param name="reason">Why it was refused, or <c>None</c>.</param>
    /// <param name="length">Its bytes.</param>
    public static void HandshakeReceive(byte[] device, ulong peer, int type, byte[] reason, int length)
    {
        fixed (byte* name = device, why = reason)
        {
            s_fireHandshakeReceive(name, peer, (uint)type, why, (uint)length);
        }
    }

    /// <summary>Fires <c>handshake_complete</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="initiator">Whether we began it.</param>
    /// <param name="nanoseconds">How long it took.</param>
    public static void HandshakeComplete(byte[] device, ulong peer, bool initiator, long nanoseconds)
    {
        fixed (byte* name = device)
        {
            s_fireHandshakeComplete(name, peer, initiator ? 1u : 0, (ulong)nanoseconds);
        }
    }

    /// <summary>Fires <c>session_new</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="local">Our index.</param>
    /// <param name="remote">The peer's index.</param>
    /// <param name="initiator">Whether we began the handshake.</param>
    public static void SessionNew(byte[] device, ulong peer, uint local, uint remote, bool initiator)
    {
        fixed (byte* name = device)
        {
            s_fireSessionNew(name, peer, local, remote, initiator ? 1u : 0);
        }
    }

    /// <summary>Fires <c>session_expire</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="local">Our index.</param>
    /// <param name="sent">Counters used.</param>
    /// <param name="nanoseconds">Its age.</param>
    public static void SessionExpire(byte[] device, ulong peer, uint local, ulong sent, long nanoseconds)
    {
        fixed (byte* name = device)
        {
            s_fireSessionExpire(name, peer, local, sent, (ulong)nanoseconds);
        }
    }

    /// <summary>Fires <c>endpoint_change</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="endpoint">Where it is now.</param>
    public static void EndpointChange(byte[] device, ulong peer, byte[] endpoint)
    {
        fixed (byte* name = device, text = endpoint)
        {
            s_fireEndpointChange(name, peer, text);
        }
    }

    /// <summary>Fires <c>rekey</c>, while attached.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="local">Index of the session that is renewed, 0 where there is none.</param>
    /// <param name="retry">Whether an initiation is repeated.</param>
    public static void Rekey(byte[] device, ulong peer, uint local, bool retry)
    {
        fixed (byte* name = device)
        {
            s_fireRekey(name, peer, local, retry ? 1u : 0);
        }
    }
}

/// <summary>What <c>packet_in</c> and <c>packet_out</c> tell of a packet.</summary>
/// <param name="Peer">The peer.</param>
/// <param name="Receiver">The receiver index on the wire.</param>
/// <param name="Counter">The counter on the wire.</param>
/// <param name="Inner">Bytes of the inner packet; padded where it goes out.</param>
/// <param name="Outer">Bytes of the data message.</param>
/// <param name="Worker">The writer that counts it.</param>
/// <param name="First">Nanoseconds of its burst in the first stage: route, or open.</param>
/// <param name="Second">Nanoseconds of its burst in the second stage: seal, or the inner port.</param>
/// <param name="Third">Nanoseconds of its burst in the third stage: the outer port; 0 inward.</param>
public readonly record struct PacketProbe(
    ulong Peer, uint Receiver, ulong Counter, uint Inner, uint Outer, uint Worker, ulong First, ulong Second, ulong Third);
