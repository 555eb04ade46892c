using System.Reflection;
using System.Runtime.InteropServices;
using TunnelBox.Daemon;
using TunnelBox.Linux.Processes;
using TunnelBox.Service;

string? logLevel = Environment.GetEnvironmentVariable("LOG_LEVEL");
string name = string.Empty;
ReadinessNotifier? readiness = null;
try
{
    CommandLine command = CommandLine.Parse(args, Environment.GetEnvironmentVariable(BackgroundStart.ForegroundVariable));
    name = command.Others is null ? command.InterfaceName : string.Empty;
    switch (command.Command)
    {
        case Command.Usage:
            return Say(CommandLine.UsageLine);
        case Command.Help:
            return Say(CommandLine.HelpText);
        case Command.Version:
            return Say(Version());
        case Command.Probe:
            int healthy = Host.Probe(name, command.Word!, out string answer);
            return healthy == ExitCodes.Done ? Say(answer) : throw new StartException($"{command.Word}: {answer}", healthy);
        case Command.CleanUp:
            return Host.CleanUp(name);
        default:
            break;
    }

    string[] names = [command.InterfaceName, .. command.Others?.Select(static tunnel => tunnel.Name) ?? []];
    int? tun = CommandLine.Descriptor("WG_TUN_FD", Environment.GetEnvironmentVariable("WG_TUN_FD"));
    if (tun is not null && command.Others is not null)
    {
        throw new StartException("WG_TUN_FD is the device of one tunnel: name one interface alone, or unset it.");
    }

    if (!command.Foreground)
    {
        bool quiet = string.IsNullOrEmpty(logLevel) || LogLevels.Parse(logLevel) == LogLevel.Silent;
        BackgroundStart.Run(string.Join(' ', names), quiet, tun is int descriptor ? [descriptor] : []);
        return ExitCodes.Done;
    }

    readiness = ReadinessNotifier.Open(Environment.GetEnvironmentVariable(BackgroundStart.ReadinessVariable));
    if (command.Others is { } others)
    {
        return Host.RunSeveral([(command.InterfaceName, command.Word), .. others], logLevel, readiness);
    }

    return Host.Run(new LifecycleOptions(name) { TunDescriptor = tun, Readiness = readiness, TakeOver = command.TakeOver }, logLevel, command.Word);
}
catch (StartException fault)
{
    // In the background the caller says it, once.
    if (readiness?.Failed(fault.ExitCode, fault.Message) != true)
    {
        Complain(fault);
    }

    return fault.ExitCode;
}

static int Say(string text)
{
    Console.Out.WriteLine(text);
    return ExitCodes.Done;
}

void Complain(StartException fault)
{
    // Faults of files stand as they are, one a line: "FILE:LINE: KEY: what is wrong".
    string prefix = StreamLogSink.IsJournal(Environment.GetEnvironmentVariable("JOURNAL_STREAM")) ? $"<{(int)LogLevel.Error}>" : string.Empty;
    string speaker = fault.ExitCode == ExitCodes.WrongInput ? string.Empty : $"tunnelbox: {(name.Length > 0 ? $"{name}: " : string.Empty)}";
    foreach (string line in fault.Message.Split('\n'))
    {
        Console.Error.WriteLine($"{prefix}{speaker}{line}");
    }
}

static string Version()
{
    string? version = typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
    return $"""
        tunnelbox v{version?.Split('+')[0]}

        Userspace WireGuard daemon for linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}.
        """;
}
