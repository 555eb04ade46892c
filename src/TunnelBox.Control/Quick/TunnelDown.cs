using TunnelBox.Configuration;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>Takes the tunnel of a file down: hooks, saving, DNS, rules, interface and daemon, leak guard, hooks.</summary>
/// <param name="file">The file.</param>
/// <param name="interfaceName">The interface.</param>
/// <param name="note">Told what people should see on the way.</param>
public sealed class TunnelDown(WgFile file, string interfaceName, Action<string> note)
{
    /// <summary>Milliseconds to wait for the daemon's end once its interface is gone.</summary>
    private const int DaemonPatience = 5000;

    private readonly UapiClient _client = new(interfaceName);

    /// <summary>Does it.</summary>
    /// <exception cref="ControlException">No daemon serves the interface, or a step failed.</exception>
    /// <exception cref="NetlinkException">The kernel refused a step.</exception>
    public void Run()
    {
        using NetworkSettings settings = NetworkSettings.Open();
        using DeviceState device = _client.Get();
        Hooks(file.Interface.PreDown, "PreDown");
        if (file.Interface.SaveConfig)
        {
            TunnelSave.Write(file, interfaceName);
        }

        UndoStack rest = new(note);
        LeakGuard guard = new(settings, interfaceName);
        rest.Push(guard.Remove);
        rest.Push(() => DeleteLink(settings, interfaceName));
        rest.Push(() => new TunnelRoutes(settings, _client, rest, guard).Remove(device, file.Interface.Table));
        if (file.Interface.DnsServers.Count > 0)
        {
            rest.Push(() => TunnelDns.Unset(interfaceName));
        }

        // One step that fails must not keep the others from being done.
        rest.Run();
        if (settings.FindLink(interfaceName) is not null)
        {
            throw new ControlException($"{interfaceName}: the interface could not be deleted.");
        }

        Hooks(file.Interface.PostDown, "PostDown");
    }

    /// <summary>Deletes an interface, if it is there, and waits for its daemon to end.</summary>
    /// <param name="settings">The namespace's settings.</param>
    /// <param name="interfaceName">The interface.</param>
    internal static void DeleteLink(NetworkSettings settings, string interfaceName)
    {
        if (settings.FindLink(interfaceName) is not { } link)
        {
            return;
        }

        settings.Delete(link);
        string socket = UapiSocket.PathOf(UapiSocket.DefaultDirectory, interfaceName);
        for (int waited = 0; File.Exists(socket) && waited < DaemonPatience; waited += 10)
        {
            Thread.Sleep(10);
        }
    }

    private void Hooks(List<string> hooks, string key) => hooks.ForEach(hook => Programs.Hook(hook, key, interfaceName, note));
}
