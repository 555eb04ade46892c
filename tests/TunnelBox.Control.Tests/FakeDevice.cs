using System.Net;
using TunnelBox.Crypto;

namespace TunnelBox.Control.Tests;

/// <summary>A device that is only its configuration: enough to hold the UAPI to its word without a tunnel behind it.</summary>
internal sealed class FakeDevice : IUapiDevice
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPNetwork, FakePeer> _owners = [];

    public byte[] PrivateKey { get; private set; } = new byte[32];

    public ushort ListenPort { get; private set; }

    public uint FirewallMark { get; private set; }

    public Dictionary<PublicKey, FakePeer> Peers { get; } = [];

    public int Applied { get; private set; }

    public int ApplyResult { get; set; }

    public void Read(IDeviceVisitor visitor)
    {
        lock (_lock)
        {
            visitor.Device(PrivateKey, ListenPort, FirewallMark);
            foreach ((PublicKey key, FakePeer peer) in Peers)
            {
                visitor.Peer(
                    new PeerState(key, peer.Endpoint, peer.Keepalive, peer.LastHandshake, peer.Received, peer.Sent),
                    peer.PresharedKey,
                    peer.AllowedIps);
            }
        }
    }

    public int Apply(DeviceChange change)
    {
        lock (_lock)
        {
            Applied++;
            if (ApplyResult != 0)
            {
                return ApplyResult;
            }

            PrivateKey = change.PrivateKey?.ToArray() ?? PrivateKey;
            ListenPort = change.ListenPort ?? ListenPort;
            FirewallMark = change.FirewallMark ?? FirewallMark;
            if (change.ReplacePeers)
            {
                Peers.Clear();
            }

            foreach (PeerChange peer in change.Peers)
            {
                ApplyPeer(peer);
            }

            return 0;
        }
    }

    private void ApplyPeer(PeerChange change)
    {
        if (change.Remove)
        {
            Peers.Remove(change.PublicKey);
            return;
        }

        if (!Peers.TryGetValue(change.PublicKey, out FakePeer? peer))
        {
            if (change.UpdateOnly)
            {
                return;
            }

            Peers[change.PublicKey] = peer = new FakePeer();
        }

        peer.PresharedKey = change.PresharedKey?.ToArray() ?? peer.PresharedKey;
        peer.Endpoint = change.Endpoint ?? peer.Endpoint;
        peer.Keepalive = change.PersistentKeepalive ?? peer.Keepalive;
        if (change.ReplaceAllowedIps)
        {
            peer.AllowedIps.Clear();
        }

        foreach (AllowedIpChange ip in change.AllowedIps)
        {
            if (_owners.Remove(ip.Network, out FakePeer? owner) && (owner == peer || !ip.Remove))
            {
                owner.AllowedIps.Remove(ip.Network);
            }
            else if (owner is not null)
            {
                _owners[ip.Network] = owner;
            }

            if (!ip.Remove)
            {
                peer.AllowedIps.Add(ip.Network);
                _owners[ip.Network] = peer;
            }
        }
    }

    internal sealed class FakePeer
    {
        public byte[] PresharedKey { get; set; } = new byte[32];

        public IPEndPoint? Endpoint { get; set; }

        public ushort Keepalive { get; set; }

        public long LastHandshake { get; set; }

        public ulong Received { get; set; }

        public ulong Sent { get; set; }

        public List<IPNetwork> AllowedIps { get; } = [];
    }
}
