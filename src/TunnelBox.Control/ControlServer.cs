using System.Net.Sockets;
using System.Text.Json;
using TunnelBox.Configuration;

namespace TunnelBox.Control;

/// <summary>
/// Serves TunnelBox's own control socket, <c>/run/tunnelbox/IFACE.ctl</c>: what UAPI has no words for. A connection carries one
/// request, a JSON object on a line, and its answer, one line or a stream of them; then it is closed.
/// </summary>
/// <remarks>Only root and the daemon's own user are answered. Each connection has a thread, of which there are few.</remarks>
public sealed class ControlServer : IDisposable
{
    /// <summary>Most connections at one time; one more is told so and closed.</summary>
    public const int MaxConnections = 32;

    /// <summary>Milliseconds for a request to arrive, and for a client to take a line of its answer.</summary>
    public const int Patience = 30_000;

    private readonly ControlVerbs _verbs;
    private readonly ClientAcceptor _clients;

    private ControlServer(string path, string interfaceName, ControlVerbs verbs)
    {
        _verbs = verbs;
        SocketPath = path;
        _clients = new ClientAcceptor(UapiSocket.Listen(path, interfaceName), MaxConnections, "control", Serve, Turn);
    }

    /// <summary>Raised for each request that was refused, with a sentence without secrets.</summary>
    public event Action<string>? Refused;

    /// <summary>Gets the path of the socket.</summary>
    public string SocketPath { get; }

    /// <summary>Takes the socket; nobody is served before <see cref="Start"/>.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="verbs">What is answered.</param>
    /// <param name="directory">The directory of the socket; made if it is missing.</param>
    /// <returns>The server.</returns>
    /// <exception cref="ControlException">A live process has the socket, or it cannot be made.</exception>
    public static ControlServer Open(string interfaceName, ControlVerbs verbs, string directory)
    {
        ArgumentNullException.ThrowIfNull(verbs);
        return new ControlServer(ControlSocket.PathOf(directory, interfaceName), interfaceName, verbs);
    }

    /// <summary>Begins to serve.</summary>
    public void Start() => _clients.Start();

    /// <summary>Stops serving, closes every connection and removes the socket file.</summary>
    public void Dispose()
    {
        if (_clients.IsDisposed)
        {
            return;
        }

        try
        {
            File.Delete(SocketPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Refused?.Invoke($"{SocketPath}: the control socket could not be removed: {e.Message.TrimEnd('.')}.");
        }

        _clients.Dispose();
    }

    private void Turn(Socket connection) => connection.Send([.. JsonSerializer.SerializeToUtf8Bytes(
        new ControlError { Error = $"{SocketPath}: {MaxConnections} clients are connected already; end one of them." },
        ControlJson.Default.ControlError), (byte)'\n']);

    private void Serve(Socket connection)
    {
        connection.ReceiveTimeout = connection.SendTimeout = Patience;
        using NetworkStream stream = new(connection, ownsSocket: false);
        try
        {
            Answer(connection, stream);
        }
        catch (ControlException e)
        {
            Refuse(stream, e.Message, e.Failure);
        }
        catch (Exception e) when (e is not (IOException or SocketException or ObjectDisposedException))
        {
            Refuse(stream, $"The control request failed: {e.GetType().Name}: {e.Message}", ControlFailure.Failed);
        }
    }

    private void Refuse(Stream stream, string sentence, ControlFailure failure)
    {
        Refused?.Invoke(sentence);
        byte[] line = JsonSerializer.SerializeToUtf8Bytes(new ControlError { Error = sentence, Failure = failure }, ControlJson.Default.ControlError);
        stream.Write([.. line, (byte)'\n']);
    }

    private void Answer(Socket connection, NetworkStream stream)
    {
        using LineReader reader = new(stream, ControlSocket.MaxLine);
        LineKind kind = reader.Next(out ReadOnlySpan<byte> line);
        if (kind == LineKind.End)
        {
            return;
        }

        // After the line is read: a client that is closed upon while it writes would not see the sentence.
        if (!ControlSocket.IsAllowed(connection))
        {
            throw new ControlException($"{SocketPath}: only root and the daemon's own user may ask; run as root.", ControlFailure.NoPermission);
        }

        if (kind == LineKind.TooLong)
        {
            throw new ControlException($"The control request is longer than {ControlSocket.MaxLine} bytes; send several.", ControlFailure.Wrong);
        }

        ControlRequest head = Head(line);
        ControlHandler handler = _verbs.Find(head.Verb) ?? throw new ControlException(
            $"The daemon knows no control verb {ConfigurationFault.Quote(System.Text.Encoding.UTF8.GetBytes(head.Verb))}; it knows {string.Join(", ", _verbs.Names.Order(StringComparer.Ordinal))}.",
            ControlFailure.Wrong);
        handler(new ControlCall(line.ToArray(), stream, () => !_clients.IsDisposed && !connection.Poll(0, SelectMode.SelectRead), connection));
    }

    private static ControlRequest Head(ReadOnlySpan<byte> line)
    {
        ControlRequest? head;
        try
        {
            head = JsonSerializer.Deserialize(line, ControlJson.Default.ControlRequest);
        }
        catch (JsonException e)
        {
            throw new ControlException(
                "The control request is not a JSON object with \"version\" and \"verb\" on one line; send one, such as {\"version\":1,\"verb\":\"status\"}.", ControlFailure.Wrong, e);
        }

        return head?.Version == ControlSocket.Version
            ? head
            : throw new ControlException($"The control request has version {head?.Version ?? 0}; this daemon speaks version {ControlSocket.Version}.", ControlFailure.Wrong);
    }
}
