using TunnelBox.Configuration;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Quick;

/// <summary>
/// Brings the tunnel of a file up: hooks, daemon, configuration, addresses, MTU, DNS, routes, hooks. A step that fails takes
/// back every step before it.
/// </summary>
/// <param name="file">The file.</param>
/// <param name="interfaceName">The interface.</param>
/// <param name="note">Told what people should see on the way.</param>
/// <param name="cancelled">Asked between the steps.</param>
public sealed class TunnelUp(WgFile file, string interfaceName, Action<string> note, Func<bool> cancelled)
{
    private readonly UndoStack _undo = new(note);

    /// <summary>Gets a value indicating whether the daemon itself does it: then the interface is there and is nobody's else to delete.</summary>
    public bool InDaemon { get; init; }

    /// <summary>Gets the directory of the daemon's UAPI socket.</summary>
    public string SocketDirectory { get; init; } = UapiSocket.DefaultDirectory;

    /// <summary>Gets what sets the tunnel's DNS servers.</summary>
    public Action<WgInterface, string, UndoStack> SetDns { get; init; } = TunnelDns.Set;

    /// <summary>Gets what resolved the file's endpoints.</summary>
    public EndpointResolver Names { get; } = new(note, cancelled);

    /// <summary>Gets the MTU in bytes that was derived because the file gives none; null where it gives one.</summary>
    public int? DerivedMtu { get; private set; }

    private UapiClient Client => field ??= new UapiClient(interfaceName, SocketDirectory);

    /// <summary>Does it.</summary>
    /// <exception cref="ControlException">A step failed; everything was taken back.</exception>
    /// <exception cref="NetlinkException">The kernel refused a step; everything was taken back.</exception>
    public void Run()
    {
        using NetworkSettings settings = NetworkSettings.Open();
        if (!InDaemon && settings.FindLink(interfaceName) is not null)
        {
            throw new ControlException($"{interfaceName}: the interface exists already; take it down first with \"tunnelctl down {interfaceName}\".");
        }

        try
        {
            Steps(settings);
        }
        catch
        {
            _undo.Run();
            throw;
        }
    }

    private void Steps(NetworkSettings settings)
    {
        Hooks(file.Interface.PreUp, "PreUp");
        if (!InDaemon)
        {
            _undo.Push(() => TunnelDown.DeleteLink(settings, interfaceName));
            Programs.StartDaemon(interfaceName);
        }

        Link link = settings.FindLink(interfaceName)
            ?? throw new ControlException($"{interfaceName}: the daemon made no interface in this network namespace; look at its log.");
        Checkpoint();

        DeviceChange change = WgFileChange.Replace(file, Names);
        Client.Set(change);
        Checkpoint();

        foreach (InterfaceAddress address in file.Interface.Addresses)
        {
            settings.AddAddress(link, address.Address, address.PrefixLength);
        }

        using (DeviceState device = Client.Get())
        {
            DerivedMtu = file.Interface.Mtu is null ? TunnelMtu.Derive(settings, device) : null;
            settings.SetMtu(link, file.Interface.Mtu ?? DerivedMtu!.Value);
            settings.SetUp(link, true);
            Checkpoint();
            SetDns(file.Interface, interfaceName, _undo);
            new TunnelRoutes(settings, Client, _undo, new LeakGuard(settings, interfaceName)).Add(link, device, file.Interface.Table);
        }

        Hooks(file.Interface.PostUp, "PostUp");
    }

    private void Hooks(List<string> hooks, string key)
    {
        foreach (string hook in hooks)
        {
            Programs.Hook(hook, key, interfaceName, note);
            Checkpoint();
        }
    }

    private void Checkpoint()
    {
        if (cancelled())
        {
            throw new ControlException($"{interfaceName}: interrupted; everything that was done is taken back.");
        }
    }
}
