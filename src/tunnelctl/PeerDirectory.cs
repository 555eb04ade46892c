using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Quick;
using TunnelBox.Crypto;

namespace TunnelBox.Tunnelctl;

/// <summary>Who the peers of an interface are: keys from the daemon, names from it too, or from the interface's file where it knows none.</summary>
internal static class PeerDirectory
{
    /// <summary>Finds the peer that an argument means.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="text">A name, a key, or the unique beginning of a key.</param>
    /// <returns>The peer.</returns>
    /// <exception cref="ControlException">There is none or more than one, or no daemon answers.</exception>
    public static NamedPeer Find(string interfaceName, string text) => PeerFinder.Find(text, Of(interfaceName), interfaceName);

    /// <summary>Lists the peers of an interface.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The peers, in the daemon's order.</returns>
    /// <exception cref="ControlException">No daemon answers.</exception>
    public static IReadOnlyCollection<NamedPeer> Of(string interfaceName)
    {
        using DeviceState device = new UapiClient(interfaceName).Get();
        Dictionary<PublicKey, string> names = Names(interfaceName);
        return [.. device.Peers.Select(peer => new NamedPeer(peer.PublicKey, names.GetValueOrDefault(peer.PublicKey)))];
    }

    private static Dictionary<PublicKey, string> Names(string interfaceName)
    {
        Dictionary<PublicKey, string> names = [];
        try
        {
            foreach (PeerReport peer in StatusReader.Read(DaemonControl.Of(interfaceName)).Peers)
            {
                if (peer.Name is not null && PublicKey.TryParse(peer.PublicKey, out PublicKey key))
                {
                    names[key] = peer.Name;
                }
            }
        }
        catch (Exception e) when (e is ControlException or ConfigurationFaultsException)
        {
            // Another make of daemon: what its file says must do.
        }

        if (names.Count == 0 && QuickFile.Directories.Any(directory => File.Exists(Path.Combine(directory, interfaceName + ".conf"))))
        {
            AddNamesOfFile(interfaceName, names);
        }

        return names;
    }

    private static void AddNamesOfFile(string interfaceName, Dictionary<PublicKey, string> names)
    {
        try
        {
            using WgFile file = QuickFile.Find(interfaceName).Load(static _ => { });
            foreach (WgPeer peer in file.Peers.Where(peer => peer.Name is not null))
            {
                names[peer.PublicKey] = peer.Name!;
            }
        }
        catch (Exception e) when (e is ControlException or ConfigurationFaultsException)
        {
            // A file that cannot be read has no names; keys still do.
        }
    }
}
