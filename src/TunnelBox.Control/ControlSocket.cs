using System.Net.Sockets;
using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Control;

/// <summary>Where TunnelBox's own control sockets stand, and who may use them.</summary>
public static class ControlSocket
{
    /// <summary>The version of the protocol; a request of another version is refused.</summary>
    public const int Version = 1;

    /// <summary>Longest request and longest line of an answer, in bytes.</summary>
    public const int MaxLine = 1024 * 1024;

    /// <summary>Gives the path of an interface's control socket.</summary>
    /// <param name="directory">The directory, from the setting RuntimeDirectory.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The path.</returns>
    public static string PathOf(string directory, string interfaceName) => Path.Combine(directory, interfaceName + ".ctl");

    /// <summary>Tells whether the other end of a connection is root or this process's own user (unix(7), SO_PEERCRED).</summary>
    /// <param name="connection">The connection.</param>
    /// <returns>Whether it may ask.</returns>
    internal static bool IsAllowed(Socket connection)
    {
        // struct ucred: pid, uid, gid, 32 bits each.
        Span<byte> credentials = stackalloc byte[12];
        int size = connection.GetRawSocketOption(Definitions.SOL_SOCKET, Definitions.SO_PEERCRED, credentials);
        uint user = size == credentials.Length ? MemoryMarshal.Read<uint>(credentials[4..]) : uint.MaxValue;
        return user == 0 || user == LibC.geteuid();
    }
}
