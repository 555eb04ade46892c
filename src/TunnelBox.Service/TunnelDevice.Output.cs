using TunnelBox.DataPath;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Service;

/// <content>What the protocol asks of the device: datagrams out, waiting packets flushed, events told.</content>
public sealed partial class TunnelDevice : ITunnelOutput
{
    // DSCP AF41, as the Linux driver marks handshakes (drivers/net/wireguard/messages.h): they matter more than the data
    // that waits for them.
    private const byte HandshakeTrafficClass = 0x88;

    /// <inheritdoc/>
    DropReason ITunnelOutput.SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint)
    {
        if (_sockets is not { } sockets)
        {
            return DropReason.OutInterfaceDown;
        }

        DropReason refused = sockets.SendTo(datagram, endpoint, HandshakeTrafficClass, out int error);
        if (refused == DropReason.None)
        {
            _handshakes.Sent(datagram.Length);
        }
        else
        {
            _log.Verbose($"cannot send to {endpoint.Remote.ToIPEndPoint()}: {Linux.Libc.Errno.Describe(-error)}");
        }

        return refused;
    }

    /// <inheritdoc/>
    void ITunnelOutput.Flush(Peer peer, bool keepalive)
    {
        Worker[] workers = _workers;
        if (workers.Length > 0)
        {
            workers[Owners.Of(peer)].Flush(peer, keepalive);
        }
    }

    /// <inheritdoc/>
    void ITunnelOutput.Wake() => _handshakes.Wake();

    /// <inheritdoc/>
    void ITunnelOutput.Dropped(DropReason reason, int packets, long bytes) => _handshakes.Dropped(reason, packets, bytes);

    /// <inheritdoc/>
    void ITunnelOutput.Event(Peer peer, TunnelEvent tunnelEvent)
    {
        if (tunnelEvent is TunnelEvent.InitiationSent or TunnelEvent.InitiationRetried && peer.Endpoint is { } endpoint)
        {
            _names.Asked(peer.PublicKey, endpoint.Remote);
        }

        if (_log.IsOn(LogLevel.Verbose))
        {
            _log.Verbose($"{peer.PublicKey} - {Describe(tunnelEvent)}");
        }
    }

    private static string Describe(TunnelEvent tunnelEvent) => tunnelEvent switch
    {
        TunnelEvent.InitiationSent => "sending handshake initiation",
        TunnelEvent.InitiationRetried => "no handshake response after 5 seconds, sending initiation again",
        TunnelEvent.HandshakeGivenUp => "no handshake response for 90 seconds, giving up until there is traffic",
        TunnelEvent.ResponseSent => "received handshake initiation, sending response",
        TunnelEvent.ResponseReceived => "received handshake response",
        TunnelEvent.SessionEstablished => "session established",
        TunnelEvent.PeerSilent => "no answer for 15 seconds, beginning a new handshake",
        TunnelEvent.CookieReceived => "received cookie",
        TunnelEvent.KeysErased => "erased all keys after 540 seconds without a new session",
        TunnelEvent.NoEndpoint => "no endpoint is known, so no handshake can begin; set Endpoint or wait for the peer",
        _ => tunnelEvent.ToString(),
    };
}
