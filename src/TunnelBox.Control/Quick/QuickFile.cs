using TunnelBox.Configuration;

namespace TunnelBox.Control.Quick;

/// <summary>Finds the file behind what people type after <c>up</c> and <c>down</c> (wg-quick(8)).</summary>
/// <param name="Path">The file's path.</param>
/// <param name="InterfaceName">The interface, which is the file's name without ".conf".</param>
public readonly record struct QuickFile(string Path, string InterfaceName)
{
    /// <summary>Where files are looked for by name, in this order.</summary>
    public static readonly IReadOnlyList<string> Directories = ["/etc/wireguard", "/etc/tunnelbox"];

    /// <summary>Finds a file.</summary>
    /// <param name="nameOrPath">An interface's name, or the path of a file that is called INTERFACE.conf.</param>
    /// <returns>The file.</returns>
    /// <exception cref="ControlException">There is none, or its name cannot be an interface's.</exception>
    /// <exception cref="UnauthorizedAccessException">The caller may not look where it should be.</exception>
    public static QuickFile Find(string nameOrPath)
    {
        ArgumentNullException.ThrowIfNull(nameOrPath);
        if (UapiSocket.IsInterfaceName(nameOrPath))
        {
            string[] tried = [.. Directories.Select(directory => System.IO.Path.Combine(directory, nameOrPath + ".conf"))];
            string path = Array.Find(tried, Exists)
                ?? throw new ControlException($"{nameOrPath}: there is no file {string.Join(" or ", tried)}; make one, or give a path.", ControlFailure.Wrong);
            return new QuickFile(path, nameOrPath);
        }

        string file = System.IO.Path.GetFileName(nameOrPath);
        string name = file.EndsWith(".conf", StringComparison.Ordinal) ? file[..^5] : string.Empty;
        if (!UapiSocket.IsInterfaceName(name))
        {
            throw new ControlException(
                $"{CleanPath(nameOrPath)}: the file must be called INTERFACE.conf, INTERFACE being 1 to 15 letters, digits or \"_=+.-\".", ControlFailure.Wrong);
        }

        return Exists(nameOrPath)
            ? new QuickFile(nameOrPath, name)
            : throw new ControlException($"{CleanPath(nameOrPath)}: there is no such file.", ControlFailure.Wrong);
    }

    /// <summary>Reads the file.</summary>
    /// <param name="note">Told the warnings.</param>
    /// <returns>The file's contents; the caller disposes them.</returns>
    /// <exception cref="ConfigurationFaultsException">The file has faults.</exception>
    public WgFile Load(Action<string> note)
    {
        ArgumentNullException.ThrowIfNull(note);
        WgFile file = WgConfigurationExtensions.LoadWgFile(Path, WgDialect.Quick);
        file.Warnings.ForEach(warning => note(warning.ToString()));
        return file;
    }

    // Not File.Exists: who may not look must hear that, not that there is no file.
    private static bool Exists(string path)
    {
        try
        {
            return !File.GetAttributes(path).HasFlag(FileAttributes.Directory);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string CleanPath(string path) => ConfigurationFault.Printable(System.Text.Encoding.UTF8.GetBytes(path));
}
