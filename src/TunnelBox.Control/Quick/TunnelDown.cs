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

    /// <summary>Gets a value indicating whether the daemon itself does it: then the interface goes with the process.</summary>
    public bool InDaemon { get; init; }

    /// <summary>Gets the directory of the daemon's UAPI socket.</summary>
    public string SocketDirectory { get; init; } = UapiSocket.DefaultDirectory;

    /// <summary>Gets what takes the tunnel's DNS servers away.</summary>
    public Action<string> UnsetDns { get; init; } = TunnelDns.Unset;

    private UapiClient Client => field ??= new UapiClient(interfaceName, SocketDirectory);

    /// <summary>Does it.</summary>
    /// <exception cref="ControlException">No daemon serves the interface, or a step failed.</exception>
    /// <exception cref="NetlinkException">The kernel refused a step.</exception>
    public void Run()
    {
        using NetworkSettings settings = NetworkSettings.Open();
        using DeviceState device = Client.Get();
        Hooks(file.Interface.PreDown, "PreDown");
        if (file.Interface.SaveConfig)
        {
            TunnelSave.Write(file, interfaceName);
        }

        UndoStack rest = new(note);
        LeakGuard guard = new(settings, interfaceName);
        rest.Push(guard.Remove);
        if (!InDaemon)
        {
            rest.Push(() => DeleteLink(settings, interfaceName));
        }

        rest.Push(() => new TunnelRoutes(settings, Client, rest, guard).Remove(device, file.Interface.Table));
        if (file.Interface.DnsServers.Count > 0)
        {
            rest.Push(() => UnsetDns(interfaceName));
        }

        // One step that fails must not keep the others from being done.
        rest.Run();
        if (!InDaemon && settings.FindLink(interfaceName) is not null)
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
