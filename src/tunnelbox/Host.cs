using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Quick;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Netlink;
using TunnelBox.Linux.Processes;
using TunnelBox.Service;
using TunnelBox.Service.Metrics;
using LogLevel = TunnelBox.Service.LogLevel;

namespace TunnelBox.Daemon;

/// <summary>Composes the process that runs the tunnel.</summary>
internal static class Host
{
    /// <summary>Runs the tunnel until it ends.</summary>
    /// <param name="options">What this run is told.</param>
    /// <param name="logLevel">The value of <c>LOG_LEVEL</c>.</param>
    /// <param name="file">The file of <c>--config</c>, or null.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartException">It could not start.</exception>
    internal static int Run(LifecycleOptions options, string? logLevel, string? file)
    {
        bool background = options.Readiness is not null;
        _ = ProcessLimits.DisableCoreDumps();
        _ = ProcessLimits.SetFileModeMask(UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        StartChecks.Run(options);
        TunnelBoxSettings settings = Settings(options.InterfaceName);
        using Log log = new(Level(logLevel, settings), Sink(options.InterfaceName, background && string.IsNullOrEmpty(logLevel)));
        // A path counts from where the daemon was started.
        file = FileOf(file, settings) is { } path ? Path.GetFullPath(path) : null;
        if (background)
        {
            // A daemon must not keep a file system busy that it happened to be started from.
            Directory.SetCurrentDirectory("/");
        }

        using SystemdNotifier? notifier = SystemdNotifier.Open(
            Environment.GetEnvironmentVariable(SystemdNotifier.SocketVariable), Environment.GetEnvironmentVariable("WATCHDOG_USEC"), Environment.GetEnvironmentVariable("WATCHDOG_PID"));
        // Hooks are not the service.
        Environment.SetEnvironmentVariable(SystemdNotifier.SocketVariable, null);
        using Appliance? appliance = Appliance.Load(
            options.InterfaceName, file, TunnelConfiguration.Environment(), settings, log, notifier);
        appliance?.Guard();
        options = options with
        {
            SocketDirectory = settings.UapiDirectory,
            RuntimeDirectory = settings.RuntimeDirectory,
            Appliance = appliance,
            Notifier = notifier,
        };
        return new Lifecycle(options, log).Run((options, log) => TunnelDevice.Open(
            new TunnelDeviceOptions(options.InterfaceName, settings) { TunDescriptor = options.TunDescriptor, Probes = options.Probes, TakeOver = options.TakeOver }, log));
    }

    /// <summary>Runs several tunnels until the last has ended.</summary>
    /// <param name="tunnels">Their interfaces, each with its file or null.</param>
    /// <param name="logLevel">The value of <c>LOG_LEVEL</c>.</param>
    /// <param name="readiness">The other end of a background start, or null in the foreground.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartException">One could not start, and so none has.</exception>
    internal static int RunSeveral(IReadOnlyList<(string Name, string? File)> tunnels, string? logLevel, ReadinessNotifier? readiness)
    {
        _ = ProcessLimits.DisableCoreDumps();
        _ = ProcessLimits.SetFileModeMask(UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        IReadOnlyDictionary<string, string> environment = TunnelConfiguration.Environment();
        if (TunnelVariables.AreGiven(environment))
        {
            throw new StartException("Variables describe one tunnel: with several, give each a file (--config FILE INTERFACE-NAME).", ExitCodes.WrongInput);
        }

        StartChecks.Run(new LifecycleOptions(tunnels[0].Name));
        TunnelBoxSettings[] settings = [.. tunnels.Select(static tunnel => Settings(tunnel.Name))];
        string?[] files = [.. tunnels.Select((tunnel, i) => FileOf(tunnel.File, settings[i]) is { } path ? Path.GetFullPath(path) : null)];
        if (readiness is not null)
        {
            // A daemon must not keep a file system busy that it happened to be started from.
            Directory.SetCurrentDirectory("/");
        }

        using SystemdNotifier? notifier = SystemdNotifier.Open(
            Environment.GetEnvironmentVariable(SystemdNotifier.SocketVariable), Environment.GetEnvironmentVariable("WATCHDOG_USEC"), Environment.GetEnvironmentVariable("WATCHDOG_PID"));
        Environment.SetEnvironmentVariable(SystemdNotifier.SocketVariable, null);
        string?[] devices = [.. settings.Select(static each => OuterPortSetting.Parse(each.OuterPort)?.Device)];
        XdpDevices shared = new();
        TunnelGroup group = new(readiness, notifier);
        List<Action> lives = [];
        for (int i = 0; i < tunnels.Count; i++)
        {
            (string name, TunnelBoxSettings own, string? file) = (tunnels[i].Name, settings[i], files[i]);
            XdpDevices? devicesOf = devices[i] is { } device && devices.Count(other => other == device) > 1 ? shared : null;
            Probes probes = new();
            LifecycleOptions options = new(name)
            {
                SocketDirectory = own.UapiDirectory,
                RuntimeDirectory = own.RuntimeDirectory,
                Probes = probes,
                Member = group.Add(name, probes),
            };
            lives.Add(() =>
            {
                using Log log = new(Level(logLevel, own), Sink(name, readiness is not null && string.IsNullOrEmpty(logLevel)));
                using Appliance? appliance = Appliance.Load(name, file, environment, own, log, null);
                appliance?.Guard();
                _ = new Lifecycle(options with { Appliance = appliance }, log).Run((options, log) => TunnelDevice.Open(
                    new TunnelDeviceOptions(name, own) { Probes = options.Probes, Shared = devicesOf }, log));
            });
        }

        return group.Run(lives);
    }

    /// <summary>Asks a running daemon how it is.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="probe">The question.</param>
    /// <param name="answer">Receives what it says.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartException">It serves no health.</exception>
    internal static int Probe(string interfaceName, string probe, out string answer)
    {
        MetricsAddress address = MetricsAddress.OfHealth(Settings(interfaceName), interfaceName)
            ?? throw new StartException("The setting Health is off: give it an address, or \"socket\".", ExitCodes.WrongInput);
        return Probes.TryAsk(address, probe, out answer) ? ExitCodes.Done : ExitCodes.CannotStart;
    }

    /// <summary>Removes what a daemon that was killed has left.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartException">The kernel refuses.</exception>
    internal static int CleanUp(string interfaceName)
    {
        try
        {
            using NetworkSettings settings = NetworkSettings.Open();
            _ = new LeftOvers(settings).Remove(interfaceName);
            _ = new KillSwitch(interfaceName).Remove();
            return ExitCodes.Done;
        }
        catch (NetlinkException fault)
        {
            throw new StartException($"What is left could not be removed: {fault.Message}", fault);
        }
    }

    private static string? FileOf(string? given, TunnelBoxSettings settings)
    {
        if (given is null || given.Contains('/'))
        {
            return given ?? settings.WgFile;
        }

        try
        {
            return QuickFile.Find(given).Path;
        }
        catch (Exception fault) when (fault is ControlException or UnauthorizedAccessException)
        {
            throw new StartException(fault.Message, ExitCodes.WrongInput);
        }
    }

    private static TunnelBoxSettings Settings(string interfaceName)
    {
        try
        {
            return SettingsReader.Load(interfaceName);
        }
        catch (ConfigurationFaultsException faults)
        {
            throw new StartException(faults.Message, ExitCodes.WrongInput);
        }
    }

    // LOG_LEVEL is what callers of wireguard-go set; it goes before the file.
    private static LogLevel Level(string? logLevel, TunnelBoxSettings settings) => string.IsNullOrEmpty(logLevel)
        ? settings.LogLevel switch
        {
            Configuration.LogLevel.Silent => LogLevel.Silent,
            Configuration.LogLevel.Error => LogLevel.Error,
            Configuration.LogLevel.Warning => LogLevel.Warning,
            Configuration.LogLevel.Debug => LogLevel.Verbose,
            _ => LogLevel.Info,
        }
        : LogLevels.Parse(logLevel);

    private static ILogSink Sink(string name, bool toSystem)
    {
        if (toSystem)
        {
            return new SyslogLogSink(name);
        }

        bool journal = StreamLogSink.IsJournal(Environment.GetEnvironmentVariable("JOURNAL_STREAM"));
        return new StreamLogSink(name, journal ? LogStyle.Journal : LogStyle.Plain);
    }
}
