using System.ComponentModel;
using System.Diagnostics;

namespace TunnelBox.Control.Quick;

/// <summary>Runs other programs: hooks, the daemon, resolvconf(8).</summary>
public static class Programs
{
    /// <summary>The variable by which wg-quick(8) names the daemon; heeded here too.</summary>
    public const string DaemonVariable = "WG_QUICK_USERSPACE_IMPLEMENTATION";

    private const int DaemonPatience = 60_000;

    /// <summary>Runs a hook in a shell, with %i replaced by the interface's name.</summary>
    /// <param name="hook">The command.</param>
    /// <param name="key">The key it stands under, for messages.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="note">Told the command before it runs.</param>
    /// <exception cref="ControlException">It ended with another code than 0.</exception>
    public static void Hook(string hook, string key, string interfaceName, Action<string> note)
    {
        ArgumentNullException.ThrowIfNull(hook);
        ArgumentNullException.ThrowIfNull(note);
        string command = hook.Replace("%i", interfaceName, StringComparison.Ordinal);
        note($"[#] {command}");
        string shell = File.Exists("/bin/bash") ? "/bin/bash" : "/bin/sh";
        int code = Run(shell, ["-c", command], null, Timeout.Infinite);
        if (code != 0)
        {
            throw new ControlException($"{key}: \"{command}\" ended with code {code}.");
        }
    }

    /// <summary>Starts the daemon of an interface and waits until it serves.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <exception cref="ControlException">It is not found, or could not start; what it said stands on standard error.</exception>
    public static void StartDaemon(string interfaceName)
    {
        string program = FindDaemon();
        int code = Run(program, [interfaceName], null, DaemonPatience);
        if (code != 0)
        {
            throw new ControlException($"{interfaceName}: the daemon {program} could not start (code {code}); what it said stands above.");
        }
    }

    /// <summary>Gets a value indicating whether resolvconf(8) is installed.</summary>
    public static bool HasResolvconf => FindInPath("resolvconf") is not null;

    /// <summary>Finds resolvconf(8).</summary>
    /// <returns>Its path.</returns>
    /// <exception cref="ControlException">It is not found.</exception>
    public static string FindResolvconf() => FindInPath("resolvconf")
        ?? throw new ControlException("DNS: the program resolvconf is not installed; install it, or take the DNS lines out of the file.");

    /// <summary>Runs resolvconf(8).</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="input">What it reads, or null.</param>
    /// <exception cref="ControlException">It failed.</exception>
    public static void Resolvconf(string program, string[] arguments, string? input)
    {
        int code = Run(program, arguments, input, Timeout.Infinite);
        if (code != 0)
        {
            throw new ControlException($"DNS: resolvconf ended with code {code}.");
        }
    }

    private static string FindDaemon()
    {
        string? named = Environment.GetEnvironmentVariable(DaemonVariable);
        if (!string.IsNullOrEmpty(named))
        {
            return (named.Contains('/') ? named : FindInPath(named)) is { } found && File.Exists(found)
                ? found
                : throw new ControlException($"{DaemonVariable}: there is no program {named}; correct the variable, or unset it.");
        }

        string beside = Path.Combine(AppContext.BaseDirectory, "tunnelbox");
        return File.Exists(beside)
            ? beside
            : FindInPath("tunnelbox") ?? throw new ControlException($"The daemon tunnelbox is neither in {AppContext.BaseDirectory} nor in PATH; install it.");
    }

    private static string? FindInPath(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin")
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(directory => Path.Combine(directory, program))
        .FirstOrDefault(File.Exists);

    private static int Run(string program, string[] arguments, string? input, int patience)
    {
        ProcessStartInfo start = new(program, arguments) { UseShellExecute = false, RedirectStandardInput = input is not null };
        try
        {
            using Process process = Process.Start(start) ?? throw new ControlException($"{program}: the program could not be started.");
            if (input is not null)
            {
                Feed(process, input);
            }

            if (!process.WaitForExit(patience))
            {
                process.Kill(entireProcessTree: true);
                throw new ControlException($"{program}: the program did not come back within {patience / 1000} s and was ended.");
            }

            return process.ExitCode;
        }
        catch (Win32Exception e)
        {
            throw new ControlException($"{program}: the program could not be started: {e.Message.TrimEnd('.')}.", ControlFailure.Failed, e);
        }
    }

    /// <summary>A program that ends without reading its input says why by its code.</summary>
    private static void Feed(Process process, string input)
    {
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // EPIPE: it has ended.
        }
    }
}
