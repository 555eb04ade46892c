using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Control;

/// <summary>Answers one request: writes one line, or many for a stream.</summary>
/// <param name="call">The request and the way back; valid during the call only.</param>
/// <exception cref="ControlException">It is refused; the sentence is the answer.</exception>
public delegate void ControlHandler(ControlCall call);

/// <summary>The verbs that a control socket answers. Filled before it serves, then only read.</summary>
public sealed class ControlVerbs
{
    private readonly Dictionary<string, ControlHandler> _handlers = new(StringComparer.Ordinal);

    /// <summary>Gets the verbs' names.</summary>
    public IReadOnlyCollection<string> Names => _handlers.Keys;

    /// <summary>Adds a verb.</summary>
    /// <param name="verb">Its name.</param>
    /// <param name="handler">Answers it, on a thread of the connection.</param>
    public void Add(string verb, ControlHandler handler) => _handlers.Add(verb, handler);

    /// <summary>Finds the handler of a verb.</summary>
    /// <param name="verb">Its name.</param>
    /// <returns>The handler, or null.</returns>
    public ControlHandler? Find(string verb) => _handlers.GetValueOrDefault(verb);
}

/// <summary>One request under way.</summary>
public sealed class ControlCall
{
    private readonly ReadOnlyMemory<byte> _request;
    private readonly Stream _stream;
    private readonly Socket? _socket;
    private readonly Func<bool> _open;

    internal ControlCall(ReadOnlyMemory<byte> request, Stream stream, Func<bool> open, Socket? socket = null)
    {
        _socket = socket;
        _request = request;
        _stream = stream;
        _open = open;
    }

    /// <summary>Gets a value indicating whether the client still listens and the server still serves: what a stream asks between its lines.</summary>
    /// <remarks>A client that closed its sending side counts as gone.</remarks>
    public bool IsOpen => _open();

    /// <summary>Reads the request with the members of its verb.</summary>
    /// <typeparam name="T">The contract.</typeparam>
    /// <param name="type">How it is read.</param>
    /// <returns>The request.</returns>
    /// <exception cref="ControlException">It is not what the contract says.</exception>
    public T Read<T>(JsonTypeInfo<T> type)
        where T : ControlRequest
    {
        try
        {
            return JsonSerializer.Deserialize(_request.Span, type) ?? throw new ControlException("The control request is null; send a JSON object.", ControlFailure.Wrong);
        }
        catch (JsonException e)
        {
            throw new ControlException($"The control request is not as its verb needs it, at {e.Path ?? "$"}; send what the contract says.", ControlFailure.Wrong, e);
        }
    }

    /// <summary>Writes one line of the answer.</summary>
    /// <typeparam name="T">The contract.</typeparam>
    /// <param name="line">What it says.</param>
    /// <param name="type">How it is written.</param>
    /// <exception cref="IOException">The client is gone.</exception>
    public void Write<T>(T line, JsonTypeInfo<T> type)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(line, type);
        Array.Resize(ref text, text.Length + 1);
        text[^1] = (byte)'\n';
        _stream.Write(text);
    }

    /// <summary>Writes one line of the answer with open descriptors beside it, for a client that takes them (<see cref="ControlClient.Open"/>).</summary>
    /// <typeparam name="T">The contract.</typeparam>
    /// <param name="line">What it says.</param>
    /// <param name="type">How it is written.</param>
    /// <param name="descriptors">The descriptors; they stay the caller's.</param>
    /// <exception cref="IOException">The client is gone.</exception>
    public void Write<T>(T line, JsonTypeInfo<T> type, ReadOnlySpan<int> descriptors)
    {
        if (_socket is null)
        {
            throw new InvalidOperationException("Only a socket takes descriptors.");
        }

        int error = PassedDescriptors.Send((int)_socket.Handle, [.. JsonSerializer.SerializeToUtf8Bytes(line, type), (byte)'\n'], descriptors);
        if (error < 0)
        {
            throw new IOException($"The client took no descriptors: {Linux.Libc.Errno.Describe(-error)}.");
        }
    }

    /// <summary>Gets a value indicating whether the client is of the daemon's own user: root is not enough where secrets are handed over.</summary>
    public bool IsOwnUser => _socket is not null && ControlSocket.UserOf(_socket) == Linux.Libc.LibC.geteuid();

    /// <summary>Gets the client's process, or 0.</summary>
    public int Process => _socket is null ? 0 : ControlSocket.ProcessOf(_socket);

    /// <summary>Waits for a word of the client's, a byte.</summary>
    /// <param name="patience">Milliseconds to wait.</param>
    /// <returns>The word, or −1 where none came.</returns>
    public int Hear(int patience)
    {
        Span<byte> word = stackalloc byte[1];
        try
        {
            return _socket is { } socket && socket.Poll(TimeSpan.FromMilliseconds(patience), SelectMode.SelectRead) && _stream.Read(word) == 1 ? word[0] : -1;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return -1;
        }
    }

    /// <summary>Sends bytes with their length in front; nothing is kept of them.</summary>
    /// <param name="block">The bytes.</param>
    /// <exception cref="IOException">The client is gone.</exception>
    public void Send(ReadOnlySpan<byte> block)
    {
        Span<byte> length = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(length, block.Length);
        _stream.Write(length);
        _stream.Write(block);
    }

    /// <summary>Answers that it is done, where there is nothing else to say.</summary>
    public void Done() => Write(new ControlDone(), ControlJson.Default.ControlDone);
}
