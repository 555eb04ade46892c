using System.Runtime.InteropServices;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Quick;

namespace TunnelBox.Tunnelctl;

/// <summary>The verbs up, down, save and strip (wg-quick(8)).</summary>
internal static class QuickCommand
{
    /// <summary>Runs <c>up</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunUp(string[] arguments)
    {
        QuickFile found = Find("up", arguments);
        using WgFile file = found.Load(CommandLine.Note);
        bool cancelled = false;
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
        using Progress progress = new($"{found.InterfaceName}: coming up ({file.Peers.Count} peers)");
        TunnelUp up = new(file, found.InterfaceName, CommandLine.Note, () => Volatile.Read(ref cancelled));
        up.Run();
        DaemonControl.Annotate(
            found.InterfaceName, file, up.Names, replace: true, new MtuAnnotation { Derived = file.Interface.Mtu is null, Value = file.Interface.Mtu ?? up.DerivedMtu });
        return ExitCode.Done;

        void Cancel(PosixSignalContext context)
        {
            context.Cancel = true;
            Volatile.Write(ref cancelled, true);
        }
    }

    /// <summary>Runs <c>down</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunDown(string[] arguments)
    {
        QuickFile found = Find("down", arguments);
        using WgFile file = found.Load(CommandLine.Note);
        using Progress progress = new($"{found.InterfaceName}: going down");
        new TunnelDown(file, found.InterfaceName, CommandLine.Note).Run();
        return ExitCode.Done;
    }

    /// <summary>Runs <c>save</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunSave(string[] arguments)
    {
        QuickFile found = Find("save", arguments);
        using WgFile file = found.Load(CommandLine.Note);
        using Progress progress = new($"{found.InterfaceName}: being saved");
        TunnelSave.Write(file, found.InterfaceName);
        return ExitCode.Done;
    }

    /// <summary>Runs <c>strip</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunStrip(string[] arguments)
    {
        QuickFile found = Find("strip", arguments);
        using (WgFile file = found.Load(CommandLine.Note))
        {
            // Read for its faults only.
        }

        using SecretFile bytes = SecretFile.Read(found.Path);
        using Stream output = Console.OpenStandardOutput();
        using SecretWriter text = new(output);
        WgStrip.Write(bytes.Bytes, text);
        // wg-quick ends with one blank line more.
        text.Text("\n"u8).Send();
        return ExitCode.Done;
    }

    private static QuickFile Find(string verb, string[] arguments) =>
        arguments.Length == 1 ? QuickFile.Find(arguments[0]) : throw UsageException.Of(verb);
}
