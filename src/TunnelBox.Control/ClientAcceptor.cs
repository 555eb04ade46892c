using System.Net.Sockets;

namespace TunnelBox.Control;

/// <summary>Accepts the clients of one listening socket, each served by a thread of its own, of which there are few.</summary>
internal sealed class ClientAcceptor : IDisposable
{
    private readonly Socket _listener;
    private readonly int _most;
    private readonly string _name;
    private readonly Action<Socket> _serve;
    private readonly Action<Socket>? _turnAway;
    private readonly Lock _gate = new();
    private readonly HashSet<Socket> _clients = [];
    private volatile bool _disposed;

    /// <summary>Initializes a new instance of the <see cref="ClientAcceptor"/> class, which owns the listener.</summary>
    /// <param name="listener">The listening socket.</param>
    /// <param name="most">Most clients at one time; one more is closed.</param>
    /// <param name="name">The name of the accepting thread; the others' is this and "-client".</param>
    /// <param name="serve">Serves a client on a thread of its own, and may throw what a client's going away throws; the socket is closed after it.</param>
    /// <param name="turnAway">What is said to a client too many, on the accepting thread, without waiting.</param>
    public ClientAcceptor(Socket listener, int most, string name, Action<Socket> serve, Action<Socket>? turnAway = null) =>
        (_listener, _most, _name, _serve, _turnAway) = (listener, most, name, serve, turnAway);

    /// <summary>Gets a value indicating whether nobody is accepted any more.</summary>
    public bool IsDisposed => _disposed;

    /// <summary>Begins to accept. The threads inherit the caller's network namespace.</summary>
    public void Start() => NewThread(Accept, _name).Start();

    /// <summary>Stops, and closes every client's connection.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        _listener.Dispose();
        lock (_gate)
        {
            foreach (Socket client in _clients)
            {
                client.Dispose();
            }
        }
    }

    private static Thread NewThread(Action body, string name) => new(() => body(), 256 * 1024) { IsBackground = true, Name = name };

    private void Accept()
    {
        while (true)
        {
            Socket client;
            try
            {
                client = _listener.Accept();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (_disposed || e is ObjectDisposedException)
                {
                    return;
                }

                // Out of descriptors, most likely; wait instead of spinning.
                Thread.Sleep(50);
                continue;
            }

            bool full;
            lock (_gate)
            {
                if (_disposed)
                {
                    client.Dispose();
                    return;
                }

                full = _clients.Count >= _most;
                if (!full)
                {
                    _clients.Add(client);
                }
            }

            if (!full)
            {
                NewThread(() => Serve(client), _name + "-client").Start();
                continue;
            }

            using (client)
            {
                TurnAway(client);
            }
        }
    }

    private void TurnAway(Socket client)
    {
        try
        {
            // A fresh connection's buffer takes a line at once; nobody can keep the accepting thread here.
            client.Blocking = false;
            _turnAway?.Invoke(client);
        }
        catch (SocketException)
        {
            // It went away by itself.
        }
    }

    private void Serve(Socket client)
    {
        try
        {
            _serve(client);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // The client went away, or the server does; either way nothing is left to say to it.
        }
        finally
        {
            lock (_gate)
            {
                _clients.Remove(client);
            }

            client.Dispose();
        }
    }
}
