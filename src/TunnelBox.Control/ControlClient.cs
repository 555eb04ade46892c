using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using TunnelBox.Configuration;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Control;

/// <summary>Speaks to a TunnelBox daemon's own control socket; other daemons have none. One connection a request.</summary>
/// <param name="interfaceName">The interface.</param>
/// <param name="directory">The directory of the socket, from the setting RuntimeDirectory.</param>
public sealed class ControlClient(string interfaceName, string directory)
{
    /// <summary>Milliseconds to wait for a part of an answer that is no stream.</summary>
    private const int Timeout = 60_000;

    /// <summary>Gets the interface.</summary>
    public string InterfaceName { get; } = interfaceName;

    /// <summary>Asks for one line.</summary>
    /// <typeparam name="TRequest">The request's contract.</typeparam>
    /// <typeparam name="TAnswer">The answer's contract.</typeparam>
    /// <param name="request">The request.</param>
    /// <param name="requestType">How it is written.</param>
    /// <param name="answerType">How the answer is read.</param>
    /// <returns>The answer.</returns>
    /// <exception cref="ControlException">No daemon serves the socket, it may not be asked, it refused, or its answer is none.</exception>
    public TAnswer Ask<TRequest, TAnswer>(TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TAnswer> answerType)
        where TRequest : ControlRequest
    {
        foreach (TAnswer answer in Stream(request, requestType, answerType, Timeout))
        {
            return answer;
        }

        throw Nonsense(null);
    }

    /// <summary>Asks for a stream of lines, until the daemon ends it or the caller stops taking from it.</summary>
    /// <typeparam name="TRequest">The request's contract.</typeparam>
    /// <typeparam name="TAnswer">The contract of a line.</typeparam>
    /// <param name="request">The request.</param>
    /// <param name="requestType">How it is written.</param>
    /// <param name="answerType">How a line is read.</param>
    /// <param name="timeout">Milliseconds to wait for a line, 0 for ever.</param>
    /// <returns>The lines, as they come.</returns>
    /// <exception cref="ControlException">No daemon serves the socket, it may not be asked, it refused, or its answer is none.</exception>
    public IEnumerable<TAnswer> Stream<TRequest, TAnswer>(
        TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TAnswer> answerType, int timeout = 0)
        where TRequest : ControlRequest
    {
        using NetworkStream stream = Connect(timeout);
        Send(stream, JsonSerializer.SerializeToUtf8Bytes(request, requestType));
        using LineReader reader = new(stream, ControlSocket.MaxLine);
        while (Next(reader, answerType, out TAnswer? answer))
        {
            yield return answer!;
        }
    }

    /// <summary>Asks for something that lasts: one line with descriptors beside it, until the session is disposed.</summary>
    /// <typeparam name="TRequest">The request's contract.</typeparam>
    /// <typeparam name="TAnswer">The answer's contract.</typeparam>
    /// <param name="request">The request.</param>
    /// <param name="requestType">How it is written.</param>
    /// <param name="answerType">How the answer is read.</param>
    /// <returns>The session.</returns>
    /// <exception cref="ControlException">No daemon serves the socket, it may not be asked, it refused, or its answer is none.</exception>
    public ControlSession<TAnswer> Open<TRequest, TAnswer>(
        TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TAnswer> answerType)
        where TRequest : ControlRequest
    {
        NetworkStream stream = Connect(Timeout);
        List<FileDescriptor> received = [];
        try
        {
            Send(stream, JsonSerializer.SerializeToUtf8Bytes(request, requestType));
            using DescriptorStream input = new(stream.Socket, received);
            using LineReader reader = new(input, ControlSocket.MaxLine);
            return Next(reader, answerType, out TAnswer? answer) ? new ControlSession<TAnswer>(answer!, received, stream) : throw Nonsense(null);
        }
        catch
        {
            received.ForEach(descriptor => descriptor.Dispose());
            stream.Dispose();
            throw;
        }
    }

    private static void Send(NetworkStream stream, byte[] request)
    {
        try
        {
            stream.Write([.. request, (byte)'\n']);
        }
        catch (IOException)
        {
            // A daemon that refuses whoever asks closes at once; its sentence may be there all the same.
        }
    }

    private bool Next<TAnswer>(LineReader reader, JsonTypeInfo<TAnswer> type, out TAnswer? answer)
    {
        answer = default;
        try
        {
            LineKind kind = reader.Next(out ReadOnlySpan<byte> line);
            if (kind == LineKind.End)
            {
                return false;
            }

            if (kind == LineKind.TooLong)
            {
                throw Nonsense(null);
            }

            if (ErrorOf(line) is { } error)
            {
                throw new ControlException(error.Error, error.Failure);
            }

            answer = JsonSerializer.Deserialize(line, type);
            return answer is not null ? true : throw Nonsense(null);
        }
        catch (JsonException e)
        {
            throw Nonsense(e);
        }
        catch (IOException e)
        {
            throw new ControlException($"{InterfaceName}: the daemon broke off its answer; look at its log.", ControlFailure.Failed, e);
        }
    }

    private static ControlError? ErrorOf(ReadOnlySpan<byte> line)
    {
        Utf8JsonReader reader = new(line);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException();
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("error"u8))
            {
                return JsonSerializer.Deserialize(line, ControlJson.Default.ControlError);
            }

            reader.Skip();
        }

        return null;
    }

    private NetworkStream Connect(int timeout)
    {
        string path = ControlSocket.PathOf(directory, InterfaceName);
        if (!UapiSocket.IsInterfaceName(InterfaceName))
        {
            throw new ControlException(
                $"\"{InterfaceName}\" cannot be an interface's name: 1 to 15 letters, digits or \"_=+.-\" are allowed.", ControlFailure.Wrong);
        }

        Socket? socket = null;
        try
        {
            socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = timeout, SendTimeout = Timeout };
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            socket?.Dispose();
            throw e is SocketException { SocketErrorCode: SocketError.AccessDenied }
                ? new ControlException($"{InterfaceName}: the daemon may not be asked: permission denied; run as root.", ControlFailure.NoPermission, e)
                : new ControlException(
                    $"{InterfaceName}: no TunnelBox daemon answers at {path}; start one with \"tunnelctl up {InterfaceName}\" (other WireGuard daemons know only what \"show\" tells).",
                    ControlFailure.NoDaemon,
                    e);
        }
    }

    private ControlException Nonsense(Exception? inner) =>
        new($"{InterfaceName}: the daemon's answer is not what this tunnelctl reads; use the tunnelctl of the daemon's version.", ControlFailure.Failed, inner);
}
