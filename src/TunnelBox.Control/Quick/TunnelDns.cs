using System.Text;
using TunnelBox.Configuration;

namespace TunnelBox.Control.Quick;

/// <summary>The DNS servers of a tunnel, through resolvconf(8), as wg-quick(8) sets them.</summary>
public static class TunnelDns
{
    private const string InterfaceOrder = "/etc/resolvconf/interface-order";

    /// <summary>Sets the servers and search domains.</summary>
    /// <param name="section">The interface's section.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="undo">Learns how to take them away, also where resolvconf fails: it may have done half of it.</param>
    /// <exception cref="ControlException">resolvconf is missing or failed.</exception>
    public static void Set(WgInterface section, string interfaceName, UndoStack undo)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(undo);
        if (section.DnsServers.Count == 0)
        {
            return;
        }

        StringBuilder text = new();
        section.DnsServers.ForEach(server => text.Append($"nameserver {server}\n"));
        if (section.DnsSearch.Count > 0)
        {
            text.Append($"search {string.Join(' ', section.DnsSearch)}\n");
        }

        string resolvconf = Programs.FindResolvconf();
        undo.Push(() => Unset(interfaceName));
        Programs.Resolvconf(resolvconf, ["-a", Prefix() + interfaceName, "-m", "0", "-x"], text.ToString());
    }

    /// <summary>Takes them away.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <exception cref="ControlException">resolvconf is missing or failed.</exception>
    public static void Unset(string interfaceName) => Programs.Resolvconf(Programs.FindResolvconf(), ["-d", Prefix() + interfaceName, "-f"], null);

    /// <summary>Debian's resolvconf orders interfaces by name; the first pattern of one word puts ours in front.</summary>
    private static string Prefix()
    {
        if (!File.Exists(InterfaceOrder))
        {
            return string.Empty;
        }

        foreach (string line in File.ReadLines(InterfaceOrder))
        {
            if (line.Length > 1 && line[^1] == '*' && line[..^1].All(c => char.IsAsciiLetterOrDigit(c) || c == '-'))
            {
                return line[..^1] + ".";
            }
        }

        return string.Empty;
    }
}
