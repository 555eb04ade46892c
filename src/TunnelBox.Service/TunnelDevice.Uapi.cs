using System.Net;
using System.Security.Cryptography;
using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>The device as the UAPI reads and changes it.</content>
public sealed partial class TunnelDevice
{
    /// <inheritdoc/>
    public void Read(IDeviceVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        Span<byte> secret = stackalloc byte[PublicKey.Size];
        try
        {
            IReadOnlyList<Peer> peers;
            bool hasKey;
            using (Tunnel.Edit edit = _tunnel.BeginEdit())
            {
                hasKey = edit.TryCopyPrivateKey(secret);
                peers = edit.Peers;
            }

            visitor.Device(hasKey ? secret : default, ListenPort, _mark);
            AllowedIps<Peer> allowedIps = _tunnel.AllowedIps;
            foreach (Peer peer in peers)
            {
                if (peer.IsRemoved)
                {
                    continue;
                }

                // One short taking of the lock a peer: a device with many peers goes on shaking hands meanwhile.
                using (Tunnel.Edit edit = _tunnel.BeginEdit())
                {
                    Tunnel.Edit.CopyPresharedKey(peer, secret);
                }

                var state = new PeerState(
                    peer.PublicKey,
                    peer.Endpoint?.Remote.ToIPEndPoint(),
                    peer.PersistentKeepalive,
                    peer.LastHandshake,
                    (ulong)peer.ReceivedBytes,
                    (ulong)peer.SentBytes);
                visitor.Peer(state, secret, allowedIps.NetworksOf(peer));
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <inheritdoc/>
    public int Apply(DeviceChange change)
    {
        ArgumentNullException.ThrowIfNull(change);
        lock (_stateGate)
        {
            if (_disposed)
            {
                return -Definitions.ENODEV;
            }

            int error = ApplySockets(change);
            if (error < 0)
            {
                return error;
            }

            ApplyTunnel(change);
            _gateway?.AllowedIpsChanged();
        }

        bool anyEndpoint = false;
        foreach (PeerChange peer in change.Peers)
        {
            if (peer is { Remove: false, Endpoint: { } endpoint })
            {
                _names.Given(peer.PublicKey, EndpointAddress.From(endpoint));
                anyEndpoint = true;
            }
        }

        if (anyEndpoint)
        {
            EndpointsSet();
        }

        if (change.ReplacePeers || change.Peers.Exists(peer => peer.Remove))
        {
            Notes.Keep(IsPeer);
        }

        return 0;
    }

    // What can fail comes first and is undone by itself; all that follows cannot fail.
    private int ApplySockets(DeviceChange change)
    {
        int peers = _tunnel.PeerCount;
        if ((change.ReplacePeers ? 0 : peers) + change.Peers.Count > Limits.MaxPeers && CountAfter(change) > Limits.MaxPeers)
        {
            return -Definitions.E2BIG;
        }

        ushort port = change.ListenPort ?? _configuredPort;
        uint mark = change.FirewallMark ?? _mark;
        if (change.ListenPort is not null && (port != ListenPort || port == 0))
        {
            int error = Rebind(port, mark);
            if (error < 0)
            {
                return error;
            }
        }
        else if (mark != _mark)
        {
            int error = _sockets?.SetFirewallMark(mark) ?? 0;
            if (error < 0)
            {
                _sockets?.SetFirewallMark(_mark);
                return error;
            }
        }

        _configuredPort = port;
        _mark = mark;
        _xdp?.SetMark(mark);
        return 0;
    }

    private int CountAfter(DeviceChange change)
    {
        using Tunnel.Edit edit = _tunnel.BeginEdit();
        HashSet<PublicKey> peers = change.ReplacePeers ? [] : [.. edit.Peers.Select(p => p.PublicKey)];
        foreach (PeerChange peer in change.Peers)
        {
            if (peer.Remove)
            {
                peers.Remove(peer.PublicKey);
            }
            else if (!peer.UpdateOnly)
            {
                peers.Add(peer.PublicKey);
            }
        }

        return peers.Count;
    }

    private void ApplyTunnel(DeviceChange change)
    {
        using Tunnel.Edit edit = _tunnel.BeginEdit();
        if (change.PrivateKey is { } privateKey)
        {
            edit.SetPrivateKey(privateKey);
            _log.Verbose($"private key changed; public key is now {edit.PublicKey}");
        }

        if (change.ReplacePeers)
        {
            edit.RemoveAllPeers();
        }

        foreach (PeerChange peer in change.Peers)
        {
            ApplyPeer(edit, peer);
        }
    }

    private static void ApplyPeer(Tunnel.Edit edit, PeerChange change)
    {
        Peer? peer = edit.Find(change.PublicKey);
        if (change.Remove)
        {
            if (peer is not null)
            {
                edit.RemovePeer(peer);
            }

            return;
        }

        // Nobody is his own peer: as in every other WireGuard, such a block is passed over.
        if (peer is null && (change.UpdateOnly || change.PublicKey == edit.PublicKey))
        {
            return;
        }

        peer ??= edit.AddPeer(change.PublicKey);
        if (change.PresharedKey is { } presharedKey)
        {
            Tunnel.Edit.SetPresharedKey(peer, presharedKey);
        }

        if (change.Endpoint is { } endpoint)
        {
            Tunnel.Edit.SetEndpoint(peer, endpoint);
        }

        if (change.ReplaceAllowedIps)
        {
            edit.ClearAllowedIps(peer);
        }

        foreach ((IPNetwork network, bool remove) in change.AllowedIps)
        {
            if (remove)
            {
                edit.RemoveAllowedIp(peer, network);
            }
            else
            {
                edit.AddAllowedIp(peer, network);
            }
        }

        if (change.PersistentKeepalive is { } seconds)
        {
            edit.SetPersistentKeepalive(peer, seconds);
        }

        edit.Flush(peer);
    }
}
