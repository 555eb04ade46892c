using TunnelBox.Control;
using TunnelBox.Service;

namespace TunnelBox.Daemon;

/// <summary>What the command line asks for.</summary>
internal enum Command
{
    /// <summary>Run a tunnel.</summary>
    Run,

    /// <summary>Say how to call the program, in a line, as wireguard-go does for a wrong number of arguments.</summary>
    Usage,

    /// <summary>Say everything about calling the program.</summary>
    Help,

    /// <summary>Say the version.</summary>
    Version,

    /// <summary>Ask a running daemon how it is.</summary>
    Probe,

    /// <summary>Remove what a daemon that was killed has left.</summary>
    CleanUp,
}

/// <summary>The command line and the variables of <c>wireguard-go</c>, read in its way.</summary>
/// <param name="Command">What is asked for.</param>
/// <param name="InterfaceName">The interface, for <see cref="Command.Run"/>.</param>
/// <param name="Foreground">Whether this process itself runs the tunnel.</param>
/// <param name="TakeOver">Whether a running daemon is to be taken over.</param>
/// <param name="Word">The file of <c>--config</c>, or the question of <see cref="Command.Probe"/>.</param>
/// <param name="Others">Further interfaces that this process is to run, each with its file or null; null for none.</param>
internal sealed record CommandLine(
    Command Command, string InterfaceName = "", bool Foreground = false, string? Word = null, bool TakeOver = false, IReadOnlyList<(string Name, string? File)>? Others = null)
{
    internal const string UsageLine = "Usage: tunnelbox [-f/--foreground] [-c/--config FILE] INTERFACE-NAME [[-c FILE] INTERFACE-NAME ...]";

    internal const string HelpText = $"""
        {UsageLine}

        Makes the interface, serves /var/run/wireguard/INTERFACE-NAME.sock for wg(8) and tunnelctl, returns when the tunnel is
        ready and stays in the background. The tunnel ends when the interface is deleted, its socket file is removed, or on SIGTERM.

        While it runs it follows the network it was started in. An MTU that "tunnelctl up" derived follows the route to the
        endpoints, until somebody sets another by hand. An endpoint that tunnelctl was given as a name is resolved again when the
        network changes and when its peer has owed an answer for 135 s; after each handshake without an answer the next address
        of the name is tried. A peer that was heard from another address stays there until then.

        With --config, the setting WgFile, or variables that describe a tunnel, the daemon sets the tunnel up itself, as "tunnelctl up" does: configuration,
        addresses, DNS, routes, hooks. SIGHUP, or a change of a file that was read, applies the configuration anew; sessions that did not
        change lose no packet, and a configuration with a fault is refused whole. It takes the tunnel down in order when it ends, within 25 s.

        With several names one process runs all these tunnels, each with its own interface, sockets and settings; --config belongs to the name behind it.
        They start one after the other: where one cannot, those before it are taken down again. Afterwards each ends by itself, and the process with the
        last. Tunnels that name the same device in the setting OuterPort share its AF_XDP program and sockets, which two processes cannot.

          -f, --foreground   stay in the foreground; the log goes to standard error
          -c, --config FILE  set the tunnel up from a file of wg-quick(8); a name without a slash is looked for as "tunnelctl up" does
          --take-over        go on in the place of the daemon that runs: interface, sockets and sessions are handed over, no peer
                             notices; a daemon that cannot be taken over goes on
          --probe livez|readyz|startupz INTERFACE-NAME
                             ask the running daemon at the address of the setting Health; 0 is yes
          --clean-up INTERFACE-NAME
                             remove what a daemon that was killed has left: kill switch and leak guard
          --version          say the version
          --help             say this

        Variables:
          LOG_LEVEL               verbose (or debug), info (default), warning, error or silent. A start in the background
                                  with LOG_LEVEL set logs to its caller's standard error, otherwise to syslog.
          WG_PROCESS_FOREGROUND   1 is the same as -f
          WG_TUN_FD               use this open descriptor of a TUN device instead of making the interface
          TUNNELBOX__INTERFACE__KEY, TUNNELBOX__PEERS__NUMBER__KEY
                                  a tunnel without a file: KEY is one of the wg file's, such as PRIVATEKEY; lists have commas
          TUNNELBOX__..._FILE     with _FILE behind any of these: the file that holds the value. It wins over the variable without,
                                  and a wg file over both. What is in force, and where it comes from, is said at the start, without secrets.
          TUNNELBOX__SETTING      a setting of tunnelbox.json(5)
          NOTIFY_SOCKET, WATCHDOG_USEC
                                  the service manager hears when the tunnel is up, reloads, stops, and that its threads move

        Exit codes: 0 started, or ended as asked, or a probe's yes; 1 could not start, or a probe's no; 2 a file, variable or setting is
        wrong; 70 a defect, or a stop that took too long; 128 and above: ended by a signal.
        """;

    /// <summary>Reads the arguments.</summary>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="foregroundVariable">The value of <c>WG_PROCESS_FOREGROUND</c>.</param>
    /// <returns>What they ask for.</returns>
    /// <exception cref="StartException">The name of the interface cannot be one, or an option is unknown.</exception>
    internal static CommandLine Parse(IReadOnlyList<string> arguments, string? foregroundVariable)
    {
        switch (arguments)
        {
            case ["--version"]:
                return new CommandLine(Command.Version);
            case ["--help"] or ["-h"]:
                return new CommandLine(Command.Help);
            case ["--probe", string probe, string name]:
                return Probes.Names.Contains(probe)
                    ? new CommandLine(Command.Probe, Checked(name), Word: probe)
                    : throw new StartException($"There is no probe \"{probe}\": {string.Join(", ", Probes.Names)} are allowed.");
            case ["--clean-up", string name]:
                return new CommandLine(Command.CleanUp, Checked(name));
            default:
                return Run(arguments, foregroundVariable == "1");
        }
    }

    private static CommandLine Run(IReadOnlyList<string> arguments, bool foreground)
    {
        List<(string Name, string? File)> tunnels = [];
        string? file = null;
        bool takeOver = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                // Names come last, as in wireguard-go.
                case "-f" or "--foreground" or "--take-over" when tunnels.Count > 0:
                    return new CommandLine(Command.Usage);
                case "-f" or "--foreground":
                    foreground = true;
                    break;
                case "--take-over":
                    takeOver = true;
                    break;
                case "-c" or "--config" when file is null && i + 1 < arguments.Count:
                    file = arguments[++i];
                    break;
                case "-c" or "--config":
                    return new CommandLine(Command.Usage);
                case var word:
                    tunnels.Add((Checked(word), file));
                    file = null;
                    break;
            }
        }

        if (tunnels.Count == 0 || file is not null)
        {
            return new CommandLine(Command.Usage);
        }

        (string name, file) = tunnels[0];
        return tunnels.Count == 1
            ? new CommandLine(Command.Run, name, foreground, file, takeOver)
            : new CommandLine(Command.Run, name, foreground, file, takeOver, Distinct(tunnels, takeOver));
    }

    private static List<(string Name, string? File)> Distinct(List<(string Name, string? File)> tunnels, bool takeOver)
    {
        if (tunnels.GroupBy(static tunnel => tunnel.Name).FirstOrDefault(static group => group.Count() > 1) is { Key: var twice })
        {
            throw new StartException($"The interface {twice} is named twice: each tunnel needs a name of its own.");
        }

        return takeOver
            ? throw new StartException("--take-over goes with one tunnel: a process that runs several cannot be taken over.")
            : tunnels[1..];
    }

    /// <summary>Reads a variable that names a descriptor.</summary>
    /// <param name="name">The variable.</param>
    /// <param name="value">Its value; null or empty for none.</param>
    /// <returns>The descriptor, or null for none.</returns>
    /// <exception cref="StartException">It is no number.</exception>
    internal static int? Descriptor(string name, string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return null;
        }

        return int.TryParse(value, out int descriptor) && descriptor > 2
            ? descriptor
            : throw new StartException($"{name} is \"{value}\": the number of an open file descriptor above 2 is needed.");
    }

    private static string Checked(string name)
    {
        if (name.StartsWith('-'))
        {
            throw new StartException($"The option {name} is unknown. {UsageLine}");
        }

        return UapiSocket.IsInterfaceName(name)
            ? name
            : throw new StartException($"\"{name}\" cannot be an interface's name: 1 to 15 letters, digits or \"_=+.-\" are allowed.");
    }
}
