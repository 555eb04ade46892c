using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control;

/// <summary>The names of interfaces by index, as zones of IPv6 addresses are written; asked once.</summary>
public sealed class ZoneNames
{
    private Dictionary<long, string>? _names;

    /// <summary>Gives an interface's name.</summary>
    /// <param name="index">Its index.</param>
    /// <returns>The name, or null where there is none.</returns>
    public string? Of(long index)
    {
        if (index == 0)
        {
            return null;
        }

        _names ??= Read();
        return _names.GetValueOrDefault(index);
    }

    private static Dictionary<long, string> Read()
    {
        try
        {
            using NetworkSettings settings = NetworkSettings.Open();
            return settings.Links().ToDictionary(link => (long)link.Index, link => link.Name);
        }
        catch (NetlinkException)
        {
            // Without names the index stands for the zone; it means the same.
            return [];
        }
    }
}
