using System.Net;
using System.Security.Cryptography;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>
/// What one <c>set=1</c> asks for, complete and already checked line by line, so that a device can apply it as a whole or
/// not at all. Null means "leave as it is".
/// </summary>
/// <remarks>
/// Order matters: first the private key, port and mark, then <see cref="ReplacePeers"/>, then the peers one after the
/// other; one key may come twice. A peer whose key is the device's own public key is passed over in silence, as wg does.
/// </remarks>
public sealed class DeviceChange
{
    /// <summary>Gets or sets the new private key (32 bytes, already clamped; all zero removes it); see <see cref="Wipe"/>.</summary>
    public byte[]? PrivateKey { get; set; }

    /// <summary>Gets or sets the UDP port; 0 lets the kernel choose.</summary>
    public ushort? ListenPort { get; set; }

    /// <summary>Gets or sets the firewall mark of outer packets; 0 removes it.</summary>
    public uint? FirewallMark { get; set; }

    /// <summary>Gets or sets a value indicating whether all present peers leave first.</summary>
    public bool ReplacePeers { get; set; }

    /// <summary>Gets the changes to peers, in order.</summary>
    public List<PeerChange> Peers { get; } = [];

    /// <summary>Zeroes every secret in place. Whoever made the change calls it once the change is applied or given up.</summary>
    public void Wipe()
    {
        CryptographicOperations.ZeroMemory(PrivateKey);
        PrivateKey = null;
        foreach (PeerChange peer in Peers)
        {
            CryptographicOperations.ZeroMemory(peer.PresharedKey);
            peer.PresharedKey = null;
        }
    }
}

/// <summary>What one <c>public_key=</c> block of a <c>set=1</c> asks for.</summary>
/// <param name="publicKey">Which peer.</param>
public sealed class PeerChange(PublicKey publicKey)
{
    /// <summary>Gets which peer.</summary>
    public PublicKey PublicKey { get; } = publicKey;

    /// <summary>Gets or sets a value indicating whether the peer leaves; everything else in the block then counts for nothing.</summary>
    public bool Remove { get; set; }

    /// <summary>Gets or sets a value indicating whether an unknown peer is left alone instead of made.</summary>
    public bool UpdateOnly { get; set; }

    /// <summary>Gets or sets the preshared key (32 bytes; all zero removes it); see <see cref="DeviceChange.Wipe"/>.</summary>
    public byte[]? PresharedKey { get; set; }

    /// <summary>Gets or sets the endpoint.</summary>
    public IPEndPoint? Endpoint { get; set; }

    /// <summary>Gets or sets seconds between persistent keepalives; 0 turns them off.</summary>
    public ushort? PersistentKeepalive { get; set; }

    /// <summary>Gets or sets a value indicating whether the present allowed IPs leave first.</summary>
    public bool ReplaceAllowedIps { get; set; }

    /// <summary>Gets the allowed IPs to add, or to remove where <see cref="AllowedIpChange.Remove"/> is set, in order.</summary>
    public List<AllowedIpChange> AllowedIps { get; } = [];
}

/// <summary>One allowed IP to add to a peer or to take from it.</summary>
/// <param name="Network">The prefix, with its host bits cleared.</param>
/// <param name="Remove">Whether it leaves this peer.</param>
public readonly record struct AllowedIpChange(IPNetwork Network, bool Remove);
