using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Quick;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb reload.</summary>
internal static class ReloadCommand
{
    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        if (arguments.Length != 1)
        {
            throw UsageException.Of("reload");
        }

        QuickFile found = QuickFile.Find(arguments[0]);
        using WgFile file = found.Load(CommandLine.Note);
        using Progress progress = new($"{found.InterfaceName}: the file is being applied ({file.Peers.Count} peers)");
        TunnelReload reload = new(file, found.InterfaceName, CommandLine.Note);
        reload.Run();
        DaemonControl.Annotate(
            found.InterfaceName, file, reload.Names, replace: true, new MtuAnnotation { Derived = file.Interface.Mtu is null, Value = file.Interface.Mtu });
        return ExitCode.Done;
    }
}
