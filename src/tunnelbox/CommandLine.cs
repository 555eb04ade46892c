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
}

/// <summary>The command line and the variables of <c>wireguard-go</c>, read in its way.</summary>
/// <param name="Command">What is asked for.</param>
/// <param name="InterfaceName">The interface, for <see cref="Command.Run"/>.</param>
/// <param name="Foreground">Whether this process itself runs the tunnel.</param>
internal sealed record CommandLine(Command Command, string InterfaceName = "", bool Foreground = false)
{
    internal const string UsageLine = "Usage: tunnelbox [-f/--foreground] INTERFACE-NAME";

    internal const string HelpText = $"""
        {UsageLine}

        Makes the interface, serves /var/run/wireguard/INTERFACE-NAME.sock for wg(8) and tunnelctl, returns when the tunnel is
        ready and stays in the background. The tunnel ends when the interface is deleted, its socket file is removed, or on SIGTERM.

        While it runs it follows the network it was started in. An MTU that "tunnelctl up" derived follows the route to the
        endpoints, until somebody sets another by hand. An endpoint that tunnelctl was given as a name is resolved again when the
        network changes and when its peer has owed an answer for 135 s; after each handshake without an answer the next address
        of the name is tried. A peer that was heard from another address stays there until then.

          -f, --foreground   stay in the foreground; the log goes to standard error
          --version          say the version
          --help             say this

        Variables:
          LOG_LEVEL               verbose (or debug), info (default), warning, error or silent. A start in the background
                                  with LOG_LEVEL set logs to its caller's standard error, otherwise to syslog.
          WG_PROCESS_FOREGROUND   1 is the same as -f
          WG_TUN_FD               use this open descriptor of a TUN device instead of making the interface

        Exit codes: 0 started, or ended as asked; 1 could not start; 2 a setting is wrong; 70 a defect.
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
            case ["-f" or "--foreground", string name]:
                return new CommandLine(Command.Run, Checked(name), Foreground: true);
            case [not ("-f" or "--foreground") and string name]:
                return new CommandLine(Command.Run, Checked(name), foregroundVariable == "1");
            default:
                return new CommandLine(Command.Usage);
        }
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
