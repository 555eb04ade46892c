using TunnelBox.Configuration;
using TunnelBox.Crypto;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>Writes a running tunnel back into its file (wg-quick(8), SaveConfig); names and comments of peers are kept.</summary>
public static class TunnelSave
{
    /// <summary>Writes the file anew, with mode 0600 and in one step: a reader sees the old file or the new one.</summary>
    /// <param name="file">The file as it was read.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <exception cref="ControlException">No daemon serves the interface, or the file cannot be written.</exception>
    public static void Write(WgFile file, string interfaceName)
    {
        ArgumentNullException.ThrowIfNull(file);
        using NetworkSettings settings = NetworkSettings.Open();
        using DeviceState device = new UapiClient(interfaceName).Get();
        Link link = settings.FindLink(interfaceName) ?? throw new ControlException($"{interfaceName}: there is no such interface in this network namespace.");
        using WgFile running = device.ToWgFile();
        Quick(running.Interface, file.Interface, settings, link);
        Dictionary<PublicKey, WgPeer> before = file.Peers.DistinctBy(peer => peer.PublicKey).ToDictionary(peer => peer.PublicKey);
        foreach (WgPeer peer in running.Peers)
        {
            if (before.TryGetValue(peer.PublicKey, out WgPeer? old))
            {
                peer.Comments.AddRange(old.Comments);
            }
        }

        Replace(file.Path, running);
    }

    private static void Quick(WgInterface to, WgInterface from, NetworkSettings settings, Link link)
    {
        HashSet<InterfaceAddress> written = [.. from.Addresses];
        to.Addresses.AddRange(settings.Addresses(link)
            .Select(address => new InterfaceAddress(address.Address, address.PrefixLength))
            .Where(address => !address.Address.IsIPv6LinkLocal || written.Contains(address)));
        to.Comments.AddRange(from.Comments);
        to.DnsServers.AddRange(from.DnsServers);
        to.DnsSearch.AddRange(from.DnsSearch);
        to.Mtu = from.Mtu is null ? null : link.Mtu;
        to.Table = from.Table;
        to.SaveConfig = from.SaveConfig;
        to.PreUp.AddRange(from.PreUp);
        to.PostUp.AddRange(from.PostUp);
        to.PreDown.AddRange(from.PreDown);
        to.PostDown.AddRange(from.PostDown);
    }

    private static void Replace(string path, WgFile running)
    {
        try
        {
            PrivateFile.Write(path, overwrite: true, stream => WgFileWriter.Write(running, stream, quick: true));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ControlException(
                $"{path}: the file cannot be written: {e.Message.TrimEnd('.')}.",
                e is UnauthorizedAccessException ? ControlFailure.NoPermission : ControlFailure.Failed,
                e);
        }
    }
}
