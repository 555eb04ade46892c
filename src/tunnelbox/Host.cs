using TunnelBox.Configuration;
using TunnelBox.Linux.Processes;
using TunnelBox.Service;
using LogLevel = TunnelBox.Service.LogLevel;

namespace TunnelBox.Daemon;

/// <summary>Composes the process that runs the tunnel.</summary>
internal static class Host
{
    /// <summary>Runs the tunnel until it ends.</summary>
    /// <param name="options">What this run is told.</param>
    /// <param name="logLevel">The value of <c>LOG_LEVEL</c>.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartException">It could not start.</exception>
    internal static int Run(LifecycleOptions options, string? logLevel)
    {
        bool background = options.Readiness is not null;
        _ = ProcessLimits.DisableCoreDumps();
        _ = ProcessLimits.SetFileModeMask(UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        StartChecks.Run(options);
        TunnelBoxSettings settings = Settings(options.InterfaceName);
        using Log log = new(Level(logLevel, settings), Sink(options.InterfaceName, background && string.IsNullOrEmpty(logLevel)));
        if (background)
        {
            // A daemon must not keep a file system busy that it happened to be started from.
            Directory.SetCurrentDirectory("/");
        }

        options = options with { SocketDirectory = settings.UapiDirectory, RuntimeDirectory = settings.RuntimeDirectory };
        return new Lifecycle(options, log).Run((options, log) => TunnelDevice.Open(
            new TunnelDeviceOptions(options.InterfaceName, settings) { TunDescriptor = options.TunDescriptor }, log));
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
