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
        uint user = UserOf(connection);
        return user == 0 || user == LibC.geteuid();
    }

    /// <summary>Gives the user at the other end of a connection.</summary>
    /// <param name="connection">The connection.</param>
    /// <returns>The user's number, or the largest number where it cannot be told.</returns>
    internal static uint UserOf(Socket connection) => Credential(connection, 4, uint.MaxValue);

    /// <summary>Gives the process at the other end of a connection.</summary>
    /// <param name="connection">The connection.</param>
    /// <returns>The process's number, or 0 where it cannot be told.</returns>
    internal static int ProcessOf(Socket connection) => (int)Credential(connection, 0, 0);

    // struct ucred: pid, uid, gid, 32 bits each.
    private static uint Credential(Socket connection, int offset, uint unknown)
    {
        Span<byte> credentials = stackalloc byte[12];
        int size = connection.GetRawSocketOption(Definitions.SOL_SOCKET, Definitions.SO_PEERCRED, credentials);
        return size == credentials.Length ? MemoryMarshal.Read<uint>(credentials[offset..]) : unknown;
    }
}
