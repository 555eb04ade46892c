using System.Net.Sockets;
using System.Runtime.InteropServices;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>Speaks to any UAPI socket: TunnelBox's, wireguard-go's or another's. One connection a request.</summary>
/// <param name="interfaceName">The interface.</param>
/// <param name="directory">The directory of the socket.</param>
public sealed class UapiClient(string interfaceName, string directory = UapiSocket.DefaultDirectory)
{
    /// <summary>Milliseconds to wait for a part of an answer.</summary>
    private const int Timeout = 60_000;

    /// <summary>Longest line of a reply in bytes.</summary>
    private const int MaxLine = 64 * 1024;

    /// <summary>Gets the interface.</summary>
    public string InterfaceName { get; } = interfaceName;

    /// <summary>Lists the interfaces that a live daemon serves, in the directory's order, as wg(8) does.</summary>
    /// <param name="directory">The directory of the sockets.</param>
    /// <returns>The names.</returns>
    /// <exception cref="ControlException">The directory cannot be read.</exception>
    public static List<string> Interfaces(string directory = UapiSocket.DefaultDirectory)
    {
        List<string> names = [];
        try
        {
            foreach (string path in Directory.EnumerateFiles(directory, "*.sock"))
            {
                string name = Path.GetFileNameWithoutExtension(path);
                if (name.Length > 0 && IsServed(path))
                {
                    names.Add(name);
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            // No daemon has run here yet.
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ControlException($"{directory}: the interfaces cannot be listed: permission denied; run as root.", ControlFailure.NoPermission, e);
        }

        return names;
    }

    /// <summary>Reads the device.</summary>
    /// <returns>The device; the caller disposes it.</returns>
    /// <exception cref="ControlException">No daemon serves the interface, it may not be asked, or its answer is none.</exception>
    public DeviceState Get()
    {
        using NetworkStream stream = Connect();
        try
        {
            stream.Write("get=1\n\n"u8);
            using LineReader reader = new(stream, MaxLine);
            using UapiReplyParser parser = new(InterfaceName);
            while (reader.Next(out ReadOnlySpan<byte> line) == LineKind.Line && !line.IsEmpty)
            {
                if (!parser.Line(line))
                {
                    throw Nonsense();
                }
            }

            return parser.Error switch
            {
                0 => parser.Take(),
                null => throw Nonsense(),
                { } errno => throw Refused(errno),
            };
        }
        catch (IOException e)
        {
            throw new ControlException($"{InterfaceName}: the daemon broke off its answer; look at its log.", ControlFailure.Failed, e);
        }
    }

    /// <summary>Changes the device.</summary>
    /// <param name="change">The change; its secrets stay the caller's to wipe.</param>
    /// <exception cref="ControlException">No daemon serves the interface, it may not be asked, or it refused.</exception>
    public void Set(DeviceChange change)
    {
        ArgumentNullException.ThrowIfNull(change);
        using NetworkStream stream = Connect();
        try
        {
            Write(change, stream);
        }
        catch (IOException)
        {
            // wireguard-go stops reading at the first fault; its answer may be there all the same.
        }

        try
        {
            using LineReader reader = new(stream, MaxLine);
            using UapiReplyParser parser = new(InterfaceName);
            if (reader.Next(out ReadOnlySpan<byte> line) != LineKind.Line || !parser.Line(line) || parser.Error is not { } errno)
            {
                throw Nonsense();
            }

            if (errno != 0)
            {
                throw Refused(errno);
            }
        }
        catch (IOException e)
        {
            throw new ControlException($"{InterfaceName}: the daemon broke off its answer; look at its log.", ControlFailure.Failed, e);
        }
    }

    private static void Write(DeviceChange change, Stream stream)
    {
        using SecretWriter text = new(stream);
        text.Text("set=1\n"u8);
        if (change.PrivateKey is { } key)
        {
            text.Text("private_key="u8).Hex(key).Text("\n"u8);
        }

        if (change.ListenPort is { } port)
        {
            text.Text("listen_port="u8).Number(port).Text("\n"u8);
        }

        if (change.FirewallMark is { } mark)
        {
            text.Text("fwmark="u8).Number(mark).Text("\n"u8);
        }

        if (change.ReplacePeers)
        {
            text.Text("replace_peers=true\n"u8);
        }

        Span<byte> publicKey = stackalloc byte[PublicKey.Size];
        foreach (PeerChange peer in change.Peers)
        {
            peer.PublicKey.CopyTo(publicKey);
            text.Text("public_key="u8).Hex(publicKey).Text("\n"u8);
            Write(peer, text);
        }

        text.Text("\n"u8);
        text.Send();
    }

    private static void Write(PeerChange peer, SecretWriter text)
    {
        if (peer.Remove)
        {
            text.Text("remove=true\n"u8);
            return;
        }

        if (peer.UpdateOnly)
        {
            text.Text("update_only=true\n"u8);
        }

        if (peer.PresharedKey is { } key)
        {
            text.Text("preshared_key="u8).Hex(key).Text("\n"u8);
        }

        if (peer.Endpoint is { } endpoint)
        {
            text.Text("endpoint="u8).Endpoint(endpoint).Text("\n"u8);
        }

        if (peer.PersistentKeepalive is { } seconds)
        {
            text.Text("persistent_keepalive_interval="u8).Number(seconds).Text("\n"u8);
        }

        if (peer.ReplaceAllowedIps)
        {
            text.Text("replace_allowed_ips=true\n"u8);
        }

        foreach (AllowedIpChange ip in peer.AllowedIps)
        {
            text.Text(ip.Remove ? "allowed_ip=-"u8 : "allowed_ip="u8).Network(ip.Network).Text("\n"u8);
        }
    }

    private static bool IsServed(string path)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException e)
        {
            // Whoever may not connect shall still see that there is something.
            return e.SocketErrorCode == SocketError.AccessDenied;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private NetworkStream Connect()
    {
        if (!UapiSocket.IsInterfaceName(InterfaceName))
        {
            throw new ControlException(
                $"\"{InterfaceName}\" cannot be an interface's name: 1 to 15 letters, digits or \"_=+.-\" are allowed.", ControlFailure.Wrong);
        }

        string path = UapiSocket.PathOf(directory, InterfaceName);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = Timeout, SendTimeout = Timeout };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw e.SocketErrorCode == SocketError.AccessDenied
                ? new ControlException($"{InterfaceName}: the interface may not be asked: permission denied; run as root.", ControlFailure.NoPermission, e)
                : new ControlException(
                    $"{InterfaceName}: no daemon serves this interface ({path}); start one with \"tunnelctl up {InterfaceName}\".", ControlFailure.NoDaemon, e);
        }
    }

    private ControlException Nonsense() => new($"{InterfaceName}: the daemon's answer is not UAPI; look at its log.");

    private ControlException Refused(int errno) => new(
        -errno == Errno.PortInUse
            ? $"{InterfaceName}: the daemon refused the change: the UDP port is taken; choose another, or 0 to let the kernel choose."
            : $"{InterfaceName}: the daemon refused: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}); look at its log.",
        -errno == Errno.NotPermitted ? ControlFailure.NoPermission : ControlFailure.Failed);
}
