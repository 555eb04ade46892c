using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Quick;
using TunnelBox.Crypto;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Service;

/// <summary>
/// The daemon that sets its tunnel up by itself, from variables and mounted files, and keeps to them: what "tunnelctl up", "reload" and "down" do, within the
/// process. A new configuration that is wrong is refused whole, and the old one stays.
/// </summary>
public sealed class Appliance : IDisposable
{
    private const int RoutesLooked = 16;
    private readonly string _name;
    private readonly string? _path;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly TunnelBoxSettings _settings;
    private readonly Log _log;
    private readonly SystemdNotifier? _notifier;
    private readonly KillSwitch _killSwitch;
    private readonly ApplianceDns _dns;
    private readonly Lock _gate = new();
    private TunnelConfiguration _running;
    private ConfigurationWatch? _watch;
    private volatile bool _up;
    private bool _down;

    private Appliance(
        string name, string? path, IReadOnlyDictionary<string, string> environment, TunnelBoxSettings settings, Log log, SystemdNotifier? notifier, TunnelConfiguration first)
    {
        (_name, _path, _environment, _settings, _log, _notifier, _running) = (name, path, environment, settings, log, notifier, first);
        _killSwitch = new KillSwitch(name);
        _dns = new ApplianceDns(settings.Dns, sentence => log.Warning($"{name}: {sentence}"));
    }

    /// <summary>Gets a value indicating whether the tunnel is set up: addresses, peers, routes.</summary>
    public bool IsUp => _up;

    /// <summary>Reads the configuration, where there is one, and says what is in force.</summary>
    /// <param name="name">The interface.</param>
    /// <param name="path">The wg file, or null for none.</param>
    /// <param name="environment">The environment.</param>
    /// <param name="settings">TunnelBox's own settings.</param>
    /// <param name="log">The log.</param>
    /// <param name="notifier">The service manager, or null.</param>
    /// <returns>The appliance, or null where neither a file nor variables describe a tunnel.</returns>
    /// <exception cref="StartException">The configuration is wrong.</exception>
    public static Appliance? Load(
        string name, string? path, IReadOnlyDictionary<string, string> environment, TunnelBoxSettings settings, Log log, SystemdNotifier? notifier)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(log);
        if (path is null && !TunnelVariables.AreGiven(environment))
        {
            return null;
        }

        try
        {
            TunnelConfiguration first = TunnelConfiguration.Load(path, environment);
            Appliance appliance = new(name, path, environment, settings, log, notifier, first);
            appliance.Describe(first);
            return appliance;
        }
        catch (ConfigurationFaultsException faults)
        {
            throw new StartException(faults.Message, ExitCodes.WrongInput);
        }
    }

    /// <summary>Closes the ways around the tunnel, where the settings say so; before there is an interface.</summary>
    /// <exception cref="StartException">It cannot be done.</exception>
    public void Guard()
    {
        try
        {
            Guard(_running.File);
        }
        catch (ControlException fault)
        {
            throw new StartException(fault.Message, fault);
        }
    }

    /// <summary>Sets the tunnel up. The daemon serves its socket already.</summary>
    /// <param name="cancelled">Asked between the steps.</param>
    /// <exception cref="StartException">A step failed; all was taken back.</exception>
    public void BringUp(Func<bool> cancelled)
    {
        WgFile file = _running.File;
        TunnelUp up = new(file, _name, Note, cancelled) { InDaemon = true, SocketDirectory = _settings.UapiDirectory, SetDns = _dns.Set };
        try
        {
            using (NetworkSettings settings = NetworkSettings.Open())
            {
                if (new LeftOvers(settings).Remove(_name) > 0)
                {
                    _log.Info($"{_name}: rules of a tunnel that was killed were removed.");
                }
            }

            up.Run();
        }
        catch (Exception fault) when (fault is ControlException or NetlinkException)
        {
            throw new StartException(fault.Message, fault);
        }

        Annotate(file, up.Names, file.Interface.Mtu ?? up.DerivedMtu);
        // What the kernel and the protocol have now is not needed here a second time.
        file.Dispose();
        _up = true;
        _watch = ConfigurationWatch.Start(_running.Paths, () => Reload("a file has changed"), sentence => _log.Warning($"{_name}: {sentence}"));
    }

    /// <summary>Goes on with a tunnel that was taken over: what this process was told is applied as a reload.</summary>
    public void TakeUp()
    {
        _up = true;
        _watch = ConfigurationWatch.Start(_running.Paths, () => Reload("a file has changed"), sentence => _log.Warning($"{_name}: {sentence}"));
        _ = Reload("taken over");
    }

    /// <summary>Reads the configuration anew and applies what has changed; sessions of peers that stay go on.</summary>
    /// <param name="why">What for, in a few words.</param>
    /// <returns>Whether it was applied.</returns>
    public bool Reload(string why)
    {
        lock (_gate)
        {
            if (!_up || _down)
            {
                return false;
            }

            _notifier?.Reloading();
            string outcome = "The new configuration is refused; the old one stays.";
            bool applied = false;
            try
            {
                TunnelConfiguration fresh = TunnelConfiguration.Load(_path, _environment);
                try
                {
                    Apply(fresh);
                    Describe(fresh);
                    (_running, fresh) = (fresh, _running);
                    applied = true;
                    outcome = $"The configuration was applied ({why}): {_running.File.Peers.Count} peers.";
                }
                finally
                {
                    fresh.Dispose();
                    _running.File.Dispose();
                }
            }
            catch (Exception fault) when (fault is ConfigurationFaultsException or ControlException or NetlinkException)
            {
                foreach (string line in fault.Message.Split('\n'))
                {
                    _log.Error($"{line}");
                }
            }

            if (applied)
            {
                _log.Info($"{_name}: {outcome}");
            }
            else
            {
                _log.Error($"{_name}: {outcome}");
            }

            _notifier?.Ready(outcome);
            return applied;
        }
    }

    /// <summary>Takes the tunnel down in order, at the daemon's end; the interface itself goes with the process.</summary>
    public void TakeDown()
    {
        _watch?.Dispose();
        lock (_gate)
        {
            _down = true;
            if (_up)
            {
                _up = false;
                try
                {
                    new TunnelDown(_running.File, _name, Note) { InDaemon = true, SocketDirectory = _settings.UapiDirectory, UnsetDns = _dns.Unset }.Run();
                }
                catch (Exception fault) when (fault is ControlException or NetlinkException or IOException)
                {
                    _log.Warning($"{_name}: on the way down: {fault.Message}");
                }
            }
        }

        if (_settings.KillSwitch == "on")
        {
            try
            {
                _killSwitch.Remove();
            }
            catch (NetlinkException fault)
            {
                _log.Warning($"{_name}: the kill switch stays: {fault.Message}; \"tunnelbox --clean-up {_name}\" opens it.");
            }
        }
    }

    /// <summary>Tells whether the routes of the tunnel are there.</summary>
    /// <returns>Null, or what is missing.</returns>
    public string? FindUnready()
    {
        if (!_up)
        {
            return "the tunnel is not set up yet";
        }

        WgFile file = _running.File;
        if (file.Interface.Table.Kind == RouteTableKind.Off)
        {
            return null;
        }

        try
        {
            using NetworkSettings settings = NetworkSettings.Open();
            Link? link = settings.FindLink(_name);
            foreach (IPNetwork network in KillSwitch.NetworksOf(file).Where(_ => file.Interface.Table.Kind == RouteTableKind.Auto).Take(RoutesLooked))
            {
                // An address of a default route's that is nobody's (RFC 5737, RFC 3849).
                IPAddress inside = network.PrefixLength > 0 ? network.BaseAddress
                    : IPAddress.Parse(network.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? "192.0.2.1" : "2001:db8::1");
                if (settings.Lookup(inside) is not { } route || (route.LinkIndex != link?.Index && !IsOwn(settings, inside)))
                {
                    return $"no route leads {network} into the tunnel";
                }
            }

            return null;
        }
        catch (NetlinkException fault)
        {
            return $"the routes cannot be looked up: {fault.Message}";
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _watch?.Dispose();
        _running.Dispose();
    }

    private static bool IsOwn(NetworkSettings settings, IPAddress address) => settings.Addresses().Any(own => own.Address.Equals(address));

    private void Apply(TunnelConfiguration fresh)
    {
        Dictionary<PublicKey, HostPort> before = [];
        foreach (WgPeer peer in _running.File.Peers.Where(peer => peer.Endpoint is not null))
        {
            before[peer.PublicKey] = peer.Endpoint!.Value;
        }

        Guard(fresh.File);
        TunnelReload reload = new(fresh.File, _name, Note) { SocketDirectory = _settings.UapiDirectory, EndpointsBefore = before };
        try
        {
            reload.Run();
        }
        catch (Exception fault) when (fault is ControlException or NetlinkException)
        {
            Guard(_running.File);
            throw;
        }

        Annotate(fresh.File, reload.Names, fresh.File.Interface.Mtu);
    }

    // With a switch the tunnel's own datagrams need a mark from the first one on; without default routes there would be none.
    private void Guard(WgFile file)
    {
        if (_settings.KillSwitch == "off")
        {
            return;
        }

        if (file.Interface.FirewallMark is null or 0)
        {
            file.Interface.FirewallMark = TunnelRoutes.FirstTable;
        }

        _killSwitch.Install(KillSwitch.NetworksOf(file), file.Interface.FirewallMark.Value, [.. SettingDefinition.Networks(_settings.KillSwitchAllow) ?? []]);
    }

    private void Annotate(WgFile file, EndpointResolver names, int? mtu) => _ = PeerAnnotations.TrySend(
        new ControlClient(_name, _settings.RuntimeDirectory), file, names, replace: true, new MtuAnnotation { Derived = file.Interface.Mtu is null, Value = mtu });

    private void Describe(TunnelConfiguration configuration)
    {
        foreach (ConfigurationFault warning in configuration.File.Warnings)
        {
            _log.Warning($"{warning.ToString()}");
        }

        foreach (ConfigurationValue value in configuration.Values)
        {
            _log.Info($"{_name}: {value.ToString()}");
        }
    }

    private void Note(string sentence) => _log.Info($"{sentence}");
}
