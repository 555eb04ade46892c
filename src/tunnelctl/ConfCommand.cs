using TunnelBox.Configuration;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verbs setconf, addconf and syncconf (wg(8)).</summary>
internal static class ConfCommand
{
    /// <summary>Runs <c>setconf</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunSetconf(string[] arguments) => Run("setconf", arguments, (file, _, names) => WgFileChange.Replace(file, names), replace: true);

    /// <summary>Runs <c>addconf</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunAddconf(string[] arguments) => Run("addconf", arguments, (file, _, names) => WgFileChange.Add(file, names), replace: false);

    /// <summary>Runs <c>syncconf</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunSyncconf(string[] arguments) => Run("syncconf", arguments, (file, client, names) =>
    {
        using DeviceState running = client.Get();
        return WgFileChange.Sync(file, running, names);
    }, replace: true);

    private static ExitCode Run(string verb, string[] arguments, Func<WgFile, UapiClient, EndpointResolver, DeviceChange> make, bool replace)
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
        EndpointResolver names = new(CommandLine.Note);
        client.Set(make(file, client, names));
        DaemonControl.Annotate(arguments[0], file, names, replace);
        return ExitCode.Done;
    }
}
