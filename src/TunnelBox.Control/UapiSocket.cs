using System.Net.Sockets;

namespace TunnelBox.Control;

/// <summary>Where UAPI sockets stand, how one is taken, and how one is reached.</summary>
public static class UapiSocket
{
    /// <summary>The directory all WireGuard programs agree on.</summary>
    public const string DefaultDirectory = "/var/run/wireguard";

    /// <summary>Mode of the directory where this program makes it (0755, as wireguard-go does: the sockets guard themselves).</summary>
    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Tells whether a text may be an interface's name: 1 to 15 of letters, digits and "_=+.-" (wg-quick(8)).</summary>
    /// <param name="name">The text.</param>
    /// <returns>Whether it may; "." and ".." may not.</returns>
    public static bool IsInterfaceName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length is 0 or > 15 || name is "." or "..")
        {
            return false;
        }

        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && !"_=+.-".Contains(c, StringComparison.Ordinal))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Gives the path of an interface's socket.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The path.</returns>
    public static string PathOf(string directory, string interfaceName) => Path.Combine(directory, interfaceName + ".sock");

    /// <summary>Takes the socket of an interface and listens on it, with mode 0600; a dead process's socket file is replaced.</summary>
    /// <param name="path">The socket's path; its directory is made if it is missing.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The listening socket; it does not remove its file when it is closed.</returns>
    /// <exception cref="ControlException">The socket is served by a live process, or cannot be made.</exception>
    internal static Socket Listen(string path, string interfaceName)
    {
        string directory = Path.GetDirectoryName(path) ?? "/";
        try
        {
            if (!Directory.Exists(directory))
            {
                Directory.CreateDirectory(directory, DirectoryMode);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(path, e);
        }

        for (int attempt = 0; ; attempt++)
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                socket.Bind(new UnixDomainSocketEndPoint(path));
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && attempt == 0)
            {
                socket.Dispose();
                RemoveIfDead(path, interfaceName);
                continue;
            }
            catch (Exception e) when (e is SocketException or ArgumentException)
            {
                socket.Dispose();
                throw Refused(path, e);
            }

            return Secured(socket, path);
        }
    }

    private static Socket Secured(Socket socket, string path)
    {
        try
        {
            // Nobody can connect before listen, so there is no moment at which the umask's mode counts.
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen(16);
            // The framework's socket would remove the file by name when closed, even another process's of the same name.
            // A second object over the descriptor does not know the name.
            Socket plain = new(new SafeSocketHandle(socket.SafeHandle.DangerousGetHandle(), ownsHandle: true));
            socket.SafeHandle.SetHandleAsInvalid();
#pragma warning disable CA1816 // The first object must do nothing more, neither now nor at finalization.
            GC.SuppressFinalize(socket);
#pragma warning restore CA1816
            return plain;
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw Refused(path, e);
        }
    }

    private static void RemoveIfDead(string path, string interfaceName)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            try
            {
                File.Delete(path);
                return;
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                throw Refused(path, refused);
            }
        }
        catch (SocketException e)
        {
            throw Refused(path, e);
        }

        throw new ControlException(
            $"{path}: another process already serves the interface {interfaceName}; take that one down first, or choose another name.");
    }

    private static ControlException Refused(string path, Exception e)
    {
        bool permission = e is UnauthorizedAccessException || e is SocketException { SocketErrorCode: SocketError.AccessDenied };
        return permission
            ? new ControlException($"{path}: the control socket cannot be made: permission denied; run as root.", ControlFailure.NoPermission, e)
            : new ControlException($"{path}: the control socket cannot be made: {e.Message.TrimEnd('.')}.", ControlFailure.Failed, e);
    }
}
