using TunnelBox.Configuration;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>Finds the daemon's own control socket where the settings put it.</summary>
internal static class DaemonControl
{
    /// <summary>Gives the client of an interface.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The client; nothing is connected yet.</returns>
    public static ControlClient Of(string interfaceName) => new(interfaceName, SettingsReader.Load(interfaceName).RuntimeDirectory);

    /// <summary>Sends the names and host names of a file, where the daemon takes them.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="file">The file.</param>
    /// <param name="names">What resolved the file's endpoints.</param>
    /// <param name="replace">Whether what the daemon knew before leaves.</param>
    /// <param name="mtu">Where the interface's MTU comes from, or null to say nothing of it.</param>
    public static void Annotate(string interfaceName, WgFile file, EndpointResolver names, bool replace, MtuAnnotation? mtu = null) =>
        Try(interfaceName, client => PeerAnnotations.TrySend(client, file, names, replace, mtu));

    /// <summary>Sends notes, where the daemon takes them; what it knew before stays.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="notes">The notes.</param>
    public static void Annotate(string interfaceName, List<PeerAnnotation> notes)
    {
        if (notes.Count > 0)
        {
            Try(interfaceName, client => PeerAnnotations.TrySend(client, notes, replace: false));
        }
    }

    private static void Try(string interfaceName, Func<ControlClient, bool> send)
    {
        try
        {
            _ = send(Of(interfaceName));
        }
        catch (ConfigurationFaultsException)
        {
            // Names are no reason to fail; the daemon itself told the faults of its settings when it started.
        }
    }
}
