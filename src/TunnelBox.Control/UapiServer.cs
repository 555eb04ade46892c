using System.Net.Sockets;

namespace TunnelBox.Control;

/// <summary>
/// Serves one device over its UAPI socket, <c>/var/run/wireguard/IFACE.sock</c> (WireGuard cross-platform interface). Each
/// connection may carry several requests; each has a thread of its own, of which there are few.
/// </summary>
/// <remarks>
/// The threads start with <see cref="Start"/> and inherit the starter's network namespace. Requests of different
/// connections run one at a time for <c>set</c>; <c>get</c> runs beside them.
/// </remarks>
public sealed class UapiServer : IDisposable
{
    /// <summary>Most connections at one time; one more is closed at once.</summary>
    public const int MaxConnections = 64;

    /// <summary>Milliseconds a client may leave an answer unread before its connection is closed.</summary>
    public const int SendTimeout = 30_000;

    private readonly IUapiDevice _device;
    private readonly ClientAcceptor _clients;
    private readonly FileSystemWatcher _watcher;
    private readonly Lock _setLock = new();
    private int _removed;

    private UapiServer(IUapiDevice device, string directory, string interfaceName)
    {
        _device = device;
        SocketPath = UapiSocket.PathOf(directory, interfaceName);
        _clients = new ClientAcceptor(UapiSocket.Listen(SocketPath, interfaceName), MaxConnections, "uapi", Serve);
        try
        {
            _watcher = new FileSystemWatcher(directory, interfaceName + ".sock") { NotifyFilter = NotifyFilters.FileName };
            _watcher.Deleted += (_, _) => OnGone();
            _watcher.Renamed += (_, _) => OnGone();
            _watcher.Error += (_, _) => OnGone();
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            _clients.Dispose();
            File.Delete(SocketPath);
            throw new ControlException($"{SocketPath}: the control socket cannot be watched: {e.Message.TrimEnd('.')}.", ControlFailure.Failed, e);
        }
    }

    /// <summary>
    /// Raised once, on a thread of the pool, when the socket file is gone: the way in which <c>rm IFACE.sock</c> ends a daemon.
    /// Not raised by <see cref="Dispose"/>.
    /// </summary>
    public event Action? SocketRemoved;

    /// <summary>Raised for each request that was refused: the negative errno and a sentence without secrets.</summary>
    public event Action<int, string>? Refused;

    /// <summary>Gets the path of the socket.</summary>
    public string SocketPath { get; }

    /// <summary>Takes the socket; nobody is served before <see cref="Start"/>, but clients may already connect and wait.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="device">What is served.</param>
    /// <param name="directory">The directory of the socket.</param>
    /// <returns>The server.</returns>
    /// <exception cref="ControlException">A live process serves this interface already, the name is none, or the socket cannot be made.</exception>
    public static UapiServer Open(string interfaceName, IUapiDevice device, string directory = UapiSocket.DefaultDirectory)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (!UapiSocket.IsInterfaceName(interfaceName))
        {
            throw new ControlException(
                $"\"{interfaceName}\" cannot be an interface's name: 1 to 15 letters, digits or \"_=+.-\" are allowed.", ControlFailure.Wrong);
        }

        return new UapiServer(device, directory, interfaceName);
    }

    /// <summary>Begins to serve, and to watch the socket file.</summary>
    public void Start()
    {
        _watcher.EnableRaisingEvents = true;
        if (!File.Exists(SocketPath))
        {
            OnGone();
        }

        _clients.Start();
    }

    /// <summary>Stops serving, closes every connection and removes the socket file, unless it was removed (and perhaps remade) by others.</summary>
    public void Dispose()
    {
        if (_clients.IsDisposed)
        {
            return;
        }

        _watcher.Dispose();
        if (Interlocked.Exchange(ref _removed, 1) == 0)
        {
            try
            {
                File.Delete(SocketPath);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Refused?.Invoke(Errno.InputOutput, $"{SocketPath}: the control socket could not be removed: {e.Message.TrimEnd('.')}.");
            }
        }

        _clients.Dispose();
    }

    private void OnGone()
    {
        if (!File.Exists(SocketPath) && Interlocked.Exchange(ref _removed, 1) == 0)
        {
            ThreadPool.QueueUserWorkItem(_ => SocketRemoved?.Invoke());
        }
    }

    private void Serve(Socket connection)
    {
        try
        {
            connection.SendTimeout = SendTimeout;
            using NetworkStream stream = new(connection, ownsSocket: false);
            UapiSession session = new(_device, _setLock, (error, sentence) => Refused?.Invoke(error, sentence));
            session.Run(stream);
        }
        catch (Exception e) when (e is not (IOException or SocketException or ObjectDisposedException))
        {
            Refused?.Invoke(Errno.InputOutput, $"A control request failed: {e.GetType().Name}: {e.Message}");
        }
    }
}
