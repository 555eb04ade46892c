using System.Collections.Concurrent;
using TunnelBox.Control;
using TunnelBox.Control.Quick;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>The verbs <c>status</c> and <c>handshake</c>.</content>
public sealed partial class TunnelDevice
{
    // Offloads are switched off once each, so these stay few; the bound is for surprises.
    private const int MaxOffloadNotes = 16;
    private static readonly TimeSpan HandshakePatience = TimeSpan.FromSeconds(5);
    private readonly ConcurrentQueue<string> _offloadNotes = new();

    private void Status(ControlCall call)
    {
        IReadOnlyList<Peer> peers;
        PublicKey publicKey;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            peers = edit.Peers;
            publicKey = edit.PublicKey;
        }

        call.Write(new StatusLine { Device = Report(publicKey, peers.Count) }, StatusJson.Default.StatusLine);
        AllowedIps<Peer> allowedIps = _tunnel.AllowedIps;
        DateTimeOffset now = DateTimeOffset.UtcNow;
        foreach (Peer[] part in peers.Where(peer => !peer.IsRemoved).Chunk(StatusLine.MaxPeers))
        {
            call.Write(new StatusLine { Peers = Array.ConvertAll(part, peer => Report(peer, allowedIps, now)) }, StatusJson.Default.StatusLine);
        }
    }

    private DeviceReport Report(PublicKey publicKey, int peers)
    {
        DataPath.Worker[] workers = _workers;
        DataPath.Udp.UdpSockets? sockets = _sockets;
        MtuRoute? route = _mtu.Route;
        return new DeviceReport
        {
            Interface = InterfaceName,
            Process = Environment.ProcessId,
            PublicKey = publicKey.IsZero ? null : publicKey.ToString(),
            Up = _link.IsUp,
            Mtu = _link.Mtu,
            MtuOrigin = _mtu.Origin,
            MtuLink = route?.LinkName,
            MtuLinkCarries = route?.Carries,
            MtuEndpoint = route?.Endpoint?.ToString(),
            ListenPort = ListenPort,
            FirewallMark = _mark,
            Workers = workers.Length,
            InnerPort = _innerName,
            OuterPort = _outerName,
            InnerOffloads = Words(_innerMode + _tun.OffloadDescription),
            OuterOffloads = sockets is null ? [] : Words(_outerMode + sockets.Ports[0].OffloadDescription),
            OffloadNotes = [.. _offloadNotes, .. _outerNotes, .. _innerNotes, .. _stackNotes, .. new[] { _memory?.Note }.OfType<string>()],
            OuterQueues = Queues(_xdp?.ReadQueues()),
            FramesNode = _memory?.Node,
            InnerQueues = Queues(_gateway?.ReadQueues()),
            Steering = _options.Settings.Steering,
            WorkerList = WorkerReports(workers),
            Aead = _aead.Name,
            AeadReason = _aead.Reason,
            KeysLocked = _arena.IsLocked,
            KeysNote = _arena.LockWarning,
            WaitingHandshakes = _queue.Count,
            HandshakePlaces = Limits.HandshakeQueueLength,
            UnderLoad = _queue.IsUnderLoad(_tunnel.Now()),
            LongestPassMicroseconds = workers.Length == 0 ? 0 : workers.Max(worker => worker.LongestPass) / 1000,
            PeerCount = peers,
        };
    }

    private PeerReport Report(Peer peer, AllowedIps<Peer> allowedIps, DateTimeOffset now)
    {
        PeerContact contact = _tunnel.ContactOf(peer);
        HealthReading health = _health.Read(peer, contact);
        PeerNote? note = Notes.Find(peer.PublicKey);
        long handshake = peer.LastHandshake;
        return new PeerReport
        {
            PublicKey = peer.PublicKey.ToString(),
            Name = note?.Name,
            State = PeerStates.Of(contact, peer.PersistentKeepalive != 0),
            Health = health.Health,
            HealthDetail = health.Detail,
            ReceivedAge = Seconds(contact.ReceivedAge),
            AskedAge = Seconds(contact.AskedAge),
            LatestHandshake = handshake == 0 ? null : DateTimeOffset.UnixEpoch.AddTicks(handshake / 100),
            Endpoint = peer.Endpoint?.Remote.ToIPEndPoint().ToString(),
            EndpointLearned = peer.HasLearnedEndpoint,
            EndpointName = note?.EndpointHost,
            ResolvedAge = note?.ResolvedAt is { } at ? Math.Max(Math.Round((now - at).TotalSeconds, 3), 0) : null,
            ResolveFault = _names.FaultOf(peer.PublicKey),
            AllowedIps = [.. allowedIps.NetworksOf(peer).Select(network => network.ToString())],
            PersistentKeepalive = peer.PersistentKeepalive,
            ReceivedBytes = peer.ReceivedBytes,
            SentBytes = peer.SentBytes,
            WaitingPackets = peer.Staged.Count,
            Session = _tunnel.SessionOf(peer) is { } session
                ? new SessionReport(session.LocalIndex, session.RemoteIndex, session.IsInitiator, Math.Round(session.Age / 1e9, 3), (long)session.SentPackets, session.CanSend)
                : null,
        };
    }

    private void Handshake(ControlCall call)
    {
        HandshakeRequest request = call.Read(StatusJson.Default.HandshakeRequest);
        Peer? peer = null;
        if (PublicKey.TryParse(request.PublicKey, out PublicKey publicKey))
        {
            using Tunnel.Edit edit = _tunnel.BeginEdit();
            peer = edit.Find(publicKey);
        }

        if (peer is null)
        {
            throw new ControlException($"{InterfaceName}: there is no such peer; \"tunnelctl status {InterfaceName}\" lists them.", ControlFailure.Wrong);
        }

        if (_workers.Length == 0)
        {
            throw new ControlException($"{InterfaceName}: the interface is down, so no handshake can begin; bring it up with \"ip link set {InterfaceName} up\".");
        }

        HandshakeStart start = _tunnel.BeginHandshake(peer, out long begun, out long wait);
        if (start != HandshakeStart.Begun)
        {
            throw new ControlException(start switch
            {
                HandshakeStart.TooSoon => FormattableString.Invariant(
                    $"{InterfaceName}: a handshake with this peer was begun less than 5 s ago, and one in 5 s is allowed; try again in {wait / 1e9:F1} s."),
                HandshakeStart.NoEndpoint => $"{InterfaceName}: nobody knows where this peer is; set its endpoint, or wait until it speaks.",
                _ => $"{InterfaceName}: no private key is set, so no handshake can begin; set one.",
            });
        }

        // Waiting by looking: a handshake takes a millisecond or more, and this thread is nobody else's.
        long until = Environment.TickCount64 + (long)HandshakePatience.TotalMilliseconds;
        while (peer.LastHandshake < begun)
        {
            if (peer.IsRemoved || !call.IsOpen || Environment.TickCount64 > until)
            {
                throw new ControlException($"{InterfaceName}: the peer did not answer a handshake within 5 s; check its endpoint, its keys and the firewalls between.");
            }

            Thread.Sleep(1);
        }

        call.Write(new HandshakeAnswer { Milliseconds = (peer.LastHandshake - begun) / 1e6 }, StatusJson.Default.HandshakeAnswer);
    }

    private void NoteOffload(string sentence)
    {
        if (_offloadNotes.Count < MaxOffloadNotes && !_offloadNotes.Contains(sentence, StringComparer.Ordinal))
        {
            _offloadNotes.Enqueue(sentence);
        }
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static double? Seconds(long? nanoseconds) => nanoseconds is { } age ? Math.Round(age / 1e9, 3) : null;
}
