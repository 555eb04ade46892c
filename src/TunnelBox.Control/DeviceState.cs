using System.Net;
using System.Security.Cryptography;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>What <c>get=1</c> told of a device. Holds secrets; dispose it to wipe them.</summary>
/// <param name="name">The interface.</param>
public sealed class DeviceState(string name) : IDisposable
{
    /// <summary>Gets the interface's name.</summary>
    public string Name { get; } = name;

    /// <summary>Gets or sets the private key, or null where none is set.</summary>
    public byte[]? PrivateKey { get; set; }

    /// <summary>Gets or sets the UDP port, 0 while none is bound.</summary>
    public ushort ListenPort { get; set; }

    /// <summary>Gets or sets the firewall mark, 0 for none.</summary>
    public uint FirewallMark { get; set; }

    /// <summary>Gets the peers, in the daemon's order.</summary>
    public List<PeerStatus> Peers { get; } = [];

    /// <summary>Gives the wg file that would make this device.</summary>
    /// <returns>The file; it shares the secrets' arrays with this state.</returns>
    public WgFile ToWgFile()
    {
        WgFile file = new();
        Span<byte> text = stackalloc byte[IpText.MaxSize];
        file.Interface.PrivateKey = PrivateKey;
        file.Interface.ListenPort = ListenPort;
        file.Interface.FirewallMark = FirewallMark;
        foreach (PeerStatus peer in Peers)
        {
            WgPeer section = new()
            {
                PublicKey = peer.PublicKey,
                PresharedKey = peer.PresharedKey,
                PersistentKeepalive = peer.PersistentKeepalive,
            };
            if (peer.Endpoint is { } endpoint)
            {
                int length = IpText.Format(endpoint.Address, text);
                string zone = endpoint.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 && endpoint.Address.ScopeId != 0
                    ? $"%{endpoint.Address.ScopeId}"
                    : string.Empty;
                section.Endpoint = new HostPort(System.Text.Encoding.ASCII.GetString(text[..length]) + zone, (ushort)endpoint.Port);
            }

            section.AllowedIps.AddRange(peer.AllowedIps.Select(network => new AllowedIpEntry(network, AllowedIpSign.None)));
            file.Peers.Add(section);
        }

        return file;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(PrivateKey);
        PrivateKey = null;
        foreach (PeerStatus peer in Peers)
        {
            CryptographicOperations.ZeroMemory(peer.PresharedKey);
            peer.PresharedKey = null;
        }
    }
}

/// <summary>What <c>get=1</c> told of a peer.</summary>
/// <param name="publicKey">Its key.</param>
public sealed class PeerStatus(PublicKey publicKey)
{
    /// <summary>Gets the peer's key.</summary>
    public PublicKey PublicKey { get; } = publicKey;

    /// <summary>Gets or sets the preshared key, or null where none is set.</summary>
    public byte[]? PresharedKey { get; set; }

    /// <summary>Gets or sets where the peer is, or null while unknown.</summary>
    public IPEndPoint? Endpoint { get; set; }

    /// <summary>Gets or sets seconds between keepalives, 0 for off.</summary>
    public ushort PersistentKeepalive { get; set; }

    /// <summary>Gets or sets the Unix time of the last handshake in seconds, 0 for never.</summary>
    public long HandshakeSeconds { get; set; }

    /// <summary>Gets or sets the nanoseconds beside <see cref="HandshakeSeconds"/>.</summary>
    public long HandshakeNanoseconds { get; set; }

    /// <summary>Gets or sets the bytes received.</summary>
    public ulong ReceivedBytes { get; set; }

    /// <summary>Gets or sets the bytes sent.</summary>
    public ulong SentBytes { get; set; }

    /// <summary>Gets the allowed IPs, in the daemon's order.</summary>
    public List<IPNetwork> AllowedIps { get; } = [];
}
