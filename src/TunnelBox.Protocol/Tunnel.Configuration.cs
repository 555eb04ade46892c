using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <content>Configuration: all changes of one request happen in one <see cref="Edit"/>, and workers see the result at once.</content>
public sealed partial class Tunnel
{
    /// <summary>Begins a change; other threads wait until it is disposed.</summary>
    /// <returns>The change.</returns>
    public Edit BeginEdit() => new(this);

    /// <summary>A change of configuration under the tunnel's lock; disposing publishes the allowed IPs.</summary>
    public sealed class Edit : IDisposable
    {
        private readonly Tunnel _tunnel;
        private AllowedIpsBuilder<Peer>? _allowedIps;

        internal Edit(Tunnel tunnel)
        {
            _tunnel = tunnel;
            tunnel._gate.Enter();
        }

        /// <summary>Gets the peers in the order in which they were added.</summary>
        public IReadOnlyList<Peer> Peers
        {
            get
            {
                Peer[] peers = [.. _tunnel._peers.Values];
                Array.Sort(peers, static (a, b) => a.Sequence.CompareTo(b.Sequence));
                return peers;
            }
        }

        /// <summary>Gets what is another whenever peers came or went: how many ever came, and how many there are.</summary>
        public (ulong Ever, int Now) PeersVersion => (_tunnel._sequence, _tunnel._peers.Count);

        /// <summary>Gets where the peers are now whose endpoint was ever set, in no order; those that came by themselves are left out.</summary>
        public IReadOnlyList<EndpointAddress> ConfiguredEndpoints
        {
            get
            {
                List<EndpointAddress> endpoints = [];
                foreach (Peer peer in _tunnel._peers.Values)
                {
                    if (peer.HasConfiguredEndpoint && peer.Endpoint is { } endpoint)
                    {
                        endpoints.Add(endpoint.Remote);
                    }
                }

                return endpoints;
            }
        }

        /// <summary>Gets our public key, or zero while no private key is set.</summary>
        public PublicKey PublicKey => _tunnel._identity?.PublicKey ?? default;

        /// <summary>Gets the number of peers.</summary>
        public int PeerCount => _tunnel._peers.Count;

        private AllowedIpsBuilder<Peer> AllowedIps => _allowedIps ??= _tunnel._allowedIps.ToBuilder();

        /// <summary>Copies the private key.</summary>
        /// <param name="destination">32 bytes; the caller wipes them.</param>
        /// <returns>False while none is set.</returns>
        public bool TryCopyPrivateKey(Span<byte> destination)
        {
            if (_tunnel._identity is null)
            {
                return false;
            }

            _tunnel._identity.CopyPrivateKey(destination);
            return true;
        }

        /// <summary>Copies a peer's preshared key; zeros where none is set.</summary>
        /// <param name="peer">The peer.</param>
        /// <param name="destination">32 bytes; the caller wipes them.</param>
        public static void CopyPresharedKey(Peer peer, Span<byte> destination)
        {
            if (peer.IsRemoved)
            {
                destination.Clear();
                return;
            }

            peer.Handshake.CopyPresharedKey(destination);
        }

        /// <summary>
        /// Sets the private key. A peer with the public key that belongs to it leaves: nobody is his own peer. Every session
        /// ends, because the peers know us by the old key.
        /// </summary>
        /// <param name="privateKey">32 bytes; all zero removes the key.</param>
        public void SetPrivateKey(ReadOnlySpan<byte> privateKey)
        {
            Identity? identity = privateKey.IndexOfAnyExcept((byte)0) < 0 ? null : new Identity(_tunnel._arena, privateKey);
            if (identity is not null && identity.PublicKey == PublicKey)
            {
                identity.Dispose();
                return;
            }

            Identity? old = _tunnel._identity;
            CookieChecker? oldCookies = _tunnel._cookies;
            _tunnel._identity = identity;
            (_tunnel._stamps as IDisposable)?.Dispose();
            _tunnel._stamps = identity is null ? null : _tunnel._openStamps(identity.PublicKey);
            Volatile.Write(ref _tunnel._cookies, identity is null ? null : new CookieChecker(_tunnel._arena, identity.PublicKey));
            if (identity is not null && _tunnel._peers.TryGetValue(identity.PublicKey, out Peer? self))
            {
                RemovePeer(self);
            }

            foreach (Peer peer in _tunnel._peers.Values)
            {
                peer.DiscardSessions(_tunnel._discard);
                _tunnel.DropHandshake(peer, DropReason.OutHandshakeAbandoned);
                peer.Handshake.ForgetIdentity();
                peer.Timers.LastInitiation = long.MinValue;
            }

            _tunnel.RetireDiscarded();
            old?.Dispose();
            if (oldCookies is not null)
            {
                // Workers may be checking a MAC with it at this moment.
                _tunnel.Quiescence.Retire(oldCookies.Dispose);
            }
        }

        /// <summary>Finds a peer.</summary>
        /// <param name="publicKey">Its key.</param>
        /// <returns>The peer, or null.</returns>
        public Peer? Find(PublicKey publicKey) => _tunnel._peers.GetValueOrDefault(publicKey);

        /// <summary>Adds a peer.</summary>
        /// <param name="publicKey">Its key; not ours, and not a peer's already.</param>
        /// <returns>The new peer.</returns>
        public Peer AddPeer(PublicKey publicKey)
        {
            var peer = new Peer(publicKey, new Handshake(_tunnel._arena, publicKey), ++_tunnel._sequence);
            _tunnel._peers.Add(publicKey, peer);
            return peer;
        }

        /// <summary>Removes a peer with its sessions, allowed IPs and waiting packets.</summary>
        /// <param name="peer">The peer.</param>
        public void RemovePeer(Peer peer)
        {
            peer.MarkRemoved();
            AllowedIps.RemoveOwner(peer);
            _tunnel.StopPeer(peer, DropReason.OutPeerRemoved);
            _tunnel._peers.Remove(peer.PublicKey);
            peer.Handshake.Dispose();
            peer.Cookies?.Clear();
            peer.Cookies = null;
        }

        /// <summary>Removes all peers.</summary>
        public void RemoveAllPeers()
        {
            foreach (Peer peer in _tunnel._peers.Values)
            {
                peer.MarkRemoved();
                _tunnel.StopPeer(peer, DropReason.OutPeerRemoved);
                peer.Handshake.Dispose();
                peer.Cookies?.Clear();
                peer.Cookies = null;
            }

            _tunnel._peers.Clear();
            _allowedIps = AllowedIps<Peer>.Empty.ToBuilder();
        }

        /// <summary>Sets a peer's preshared key; it takes effect with the next handshake.</summary>
        /// <param name="peer">The peer.</param>
        /// <param name="presharedKey">32 bytes; all zero removes the key.</param>
        public static void SetPresharedKey(Peer peer, ReadOnlySpan<byte> presharedKey) => peer.Handshake.SetPresharedKey(presharedKey);

        /// <summary>Sets where a peer is.</summary>
        /// <param name="peer">The peer.</param>
        /// <param name="endpoint">Its address.</param>
        public static void SetEndpoint(Peer peer, IPEndPoint endpoint) => peer.SetEndpoint(EndpointAddress.From(endpoint));

        /// <summary>Sets the interval of persistent keepalives; turning them on sends one now.</summary>
        /// <param name="peer">The peer.</param>
        /// <param name="seconds">The interval; 0 turns them off.</param>
        public void SetPersistentKeepalive(Peer peer, ushort seconds)
        {
            bool turnedOn = seconds != 0 && peer.Timers.PersistentInterval == 0;
            peer.Timers.PersistentInterval = seconds * Limits.Second;
            if (turnedOn)
            {
                _tunnel._output.Flush(peer, keepalive: true);
            }
        }

        /// <summary>Gives an allowed IP to a peer; it leaves whoever had it.</summary>
        /// <param name="peer">The peer.</param>
        /// <param name="network">The prefix.</param>
        public void AddAllowedIp(Peer peer, IPNetwork network) => AllowedIps.Add(network, peer);

        /// <summary>Takes an allowed IP from a peer, if it is that peer's.</summary>
        /// <param name="peer">The peer.</param>
        /// <param name="network">The prefix.</param>
        public void RemoveAllowedIp(Peer peer, IPNetwork network) => AllowedIps.Remove(network, peer);

        /// <summary>Takes all allowed IPs from a peer.</summary>
        /// <param name="peer">The peer.</param>
        public void ClearAllowedIps(Peer peer) => AllowedIps.RemoveOwner(peer);

        /// <summary>Has packets that already wait for a peer sent, now that it can perhaps be reached.</summary>
        /// <param name="peer">The peer.</param>
        public void Flush(Peer peer)
        {
            if (peer.Staged.Count > 0)
            {
                _tunnel._output.Flush(peer, keepalive: false);
            }
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            if (_allowedIps is not null)
            {
                Volatile.Write(ref _tunnel._allowedIps, _allowedIps.ToImmutable());
            }

            _tunnel.RetireDiscarded();
            _tunnel._gate.Exit();
        }
    }
}
