using TunnelBox.Configuration;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verbs setconf, addconf and syncconf (wg(8)).</summary>
internal static class ConfCommand
{
    /// <summary>Runs <c>setconf</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunSetconf(string[] arguments) => Run("setconf", arguments, (file, _) => WgFileChange.Replace(file, CommandLine.Note), replace: true);

    /// <summary>Runs <c>addconf</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunAddconf(string[] arguments) => Run("addconf", arguments, (file, _) => WgFileChange.Add(file, CommandLine.Note), replace: false);

    /// <summary>Runs <c>syncconf</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunSyncconf(string[] arguments) => Run("syncconf", arguments, (file, client) =>
    {
        using DeviceState running = client.Get();
        return WgFileChange.Sync(file, running, CommandLine.Note);
    }, replace: true);

    private static ExitCode Run(string verb, string[] arguments, Func<WgFile, UapiClient, DeviceChange> make, bool replace)
    {
        if (arguments.Length != 2)
        {
            throw UsageException.Of(verb);
        }

        using WgFile file = WgConfigurationExtensions.LoadWgFile(arguments[1], WgDialect.Wg);
        foreach (ConfigurationFault warning in file.Warnings)
        {
            CommandLine.Note(warning.ToString());
        }

        using Progress progress = new($"{arguments[0]}: {verb} is being applied ({file.Peers.Count} peers)");
        UapiClient client = new(arguments[0]);
        client.Set(make(file, client));
        DaemonControl.Annotate(arguments[0], file, replace);
        return ExitCode.Done;
    }
}
