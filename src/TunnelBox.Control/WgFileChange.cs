using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>Turns wg files into changes of a device: the verbs setconf, addconf and syncconf.</summary>
public static class WgFileChange
{
    /// <summary>Makes the device what the file says and nothing else (<c>setconf</c>).</summary>
    /// <param name="file">The file.</param>
    /// <param name="names">Resolves the endpoints, and knows afterwards what they are.</param>
    /// <returns>The change; it shares the secrets' arrays with the file.</returns>
    /// <exception cref="ControlException">An endpoint's name does not resolve.</exception>
    public static DeviceChange Replace(WgFile file, EndpointResolver names)
    {
        DeviceChange change = Add(file, names);
        // What the file does not give is taken away.
        change.PrivateKey ??= new byte[KeyText.KeySize];
        change.ListenPort ??= 0;
        change.FirewallMark ??= 0;
        change.ReplacePeers = true;
        return change;
    }

    /// <summary>Adds what the file says (<c>addconf</c>).</summary>
    /// <param name="file">The file.</param>
    /// <param name="names">Resolves the endpoints, and knows afterwards what they are.</param>
    /// <returns>The change; it shares the secrets' arrays with the file.</returns>
    /// <exception cref="ControlException">An endpoint's name does not resolve.</exception>
    public static DeviceChange Add(WgFile file, EndpointResolver names)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(names);
        names.ResolveAll(file.Peers.Select(section => section.Endpoint).OfType<HostPort>());
        DeviceChange change = new()
        {
            PrivateKey = file.Interface.PrivateKey,
            ListenPort = file.Interface.ListenPort,
            FirewallMark = file.Interface.FirewallMark,
        };
        foreach (WgPeer section in file.Peers)
        {
            PeerChange peer = new(section.PublicKey)
            {
                PresharedKey = section.PresharedKey,
                PersistentKeepalive = section.PersistentKeepalive,
                Endpoint = section.Endpoint is { } endpoint ? names.Resolve(endpoint) : null,
                ReplaceAllowedIps = !section.AllowedIps.Exists(entry => entry.Sign != AllowedIpSign.None),
            };
            peer.AllowedIps.AddRange(section.AllowedIps.Select(entry => new AllowedIpChange(entry.Network, entry.Sign == AllowedIpSign.Minus)));
            change.Peers.Add(peer);
        }

        return change;
    }

    /// <summary>Makes the device what the file says without touching the sessions of peers that stay (<c>syncconf</c>).</summary>
    /// <param name="file">The file.</param>
    /// <param name="running">The device as it is.</param>
    /// <param name="names">Resolves the endpoints, and knows afterwards what they are.</param>
    /// <returns>The change; it shares the secrets' arrays with the file.</returns>
    /// <exception cref="ControlException">An endpoint's name does not resolve.</exception>
    public static DeviceChange Sync(WgFile file, DeviceState running, EndpointResolver names)
    {
        ArgumentNullException.ThrowIfNull(running);
        DeviceChange change = Replace(file, names);
        change.ReplacePeers = false;
        Dictionary<PublicKey, PeerStatus> before = running.Peers.DistinctBy(peer => peer.PublicKey).ToDictionary(peer => peer.PublicKey);
        HashSet<PublicKey> after = [.. change.Peers.Select(peer => peer.PublicKey)];
        foreach (PeerChange peer in change.Peers)
        {
            if (before.TryGetValue(peer.PublicKey, out PeerStatus? old))
            {
                peer.PresharedKey ??= old.PresharedKey is null ? null : new byte[KeyText.KeySize];
                peer.PersistentKeepalive ??= old.PersistentKeepalive == 0 ? null : (ushort)0;
            }
        }

        change.Peers.InsertRange(0, running.Peers
            .Where(peer => !after.Contains(peer.PublicKey))
            .Select(peer => new PeerChange(peer.PublicKey) { Remove = true }));
        return change;
    }
}
