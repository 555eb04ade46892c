using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Quick;

namespace TunnelBox.Service;

/// <summary>
/// What becomes of a tunnel's DNS servers where the daemon sets the tunnel up: resolvconf(8) where that is installed, a file that is written in place (a
/// mounted file cannot be replaced) and put back at the end, or nothing. Nothing outside of what is named is touched.
/// </summary>
/// <param name="setting">The setting Dns.</param>
/// <param name="warn">Told that the servers are not used.</param>
internal sealed class ApplianceDns(string setting, Action<string> warn)
{
    private byte[]? _before;
    private bool _resolvconf;

    /// <summary>Sets the servers and search domains.</summary>
    /// <param name="section">The interface's section.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="undo">Learns how to take them away.</param>
    /// <exception cref="ControlException">They cannot be set.</exception>
    public void Set(WgInterface section, string interfaceName, UndoStack undo)
    {
        if (section.DnsServers.Count == 0)
        {
            return;
        }

        if (setting == "auto" && Programs.HasResolvconf)
        {
            _resolvconf = true;
            TunnelDns.Set(section, interfaceName, undo);
        }
        else if (setting.StartsWith('/'))
        {
            Write(section, interfaceName);
            undo.Push(() => Unset(interfaceName));
        }
        else
        {
            warn($"The tunnel's DNS servers are not used: {(setting == "off" ? "the setting Dns is off" : "resolvconf is not installed; set Dns to the path of a file, or use the platform's own setting (dnsConfig of a pod)")}.");
        }
    }

    /// <summary>Takes them away.</summary>
    /// <param name="interfaceName">The interface.</param>
    public void Unset(string interfaceName)
    {
        if (_resolvconf)
        {
            _resolvconf = false;
            TunnelDns.Unset(interfaceName);
        }
        else if (_before is { } before)
        {
            _before = null;
            File.WriteAllBytes(setting, before);
        }
    }

    private void Write(WgInterface section, string interfaceName)
    {
        StringBuilder text = new($"# by tunnelbox, for {interfaceName}\n");
        section.DnsServers.ForEach(server => text.Append($"nameserver {server}\n"));
        if (section.DnsSearch.Count > 0)
        {
            text.Append($"search {string.Join(' ', section.DnsSearch)}\n");
        }

        try
        {
            byte[] before = File.Exists(setting) ? File.ReadAllBytes(setting) : [];
            File.WriteAllText(setting, text.ToString());
            _before = before;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ControlException($"DNS: {setting} cannot be written ({e.Message.TrimEnd('.')}); mount it writable, or set Dns to off.", ControlFailure.Failed, e);
        }
    }
}
