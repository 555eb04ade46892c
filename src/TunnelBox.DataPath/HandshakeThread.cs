using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <summary>
/// The thread that does a tunnel's handshakes and timers, so that a Diffie-Hellman never holds up a worker's packets.
/// </summary>
public sealed class HandshakeThread : IDisposable
{
    private const int MessagesPerTick = 32;
    private readonly Tunnel _tunnel;
    private readonly HandshakeQueue _queue;
    private readonly CounterBlock _counters;
    private readonly AutoResetEvent _wake = new(initialState: false);
    private readonly Thread _thread;
    private volatile bool _stopping;
    private int _signalled;
    private long _rounds;

    /// <summary>Makes the thread; <see cref="Start"/> starts it.</summary>
    /// <param name="name">The thread's name, at most 15 bytes.</param>
    /// <param name="tunnel">The tunnel.</param>
    /// <param name="queue">Where workers leave handshake messages.</param>
    /// <param name="counters">Where this thread, and nobody else, counts.</param>
    public HandshakeThread(string name, Tunnel tunnel, HandshakeQueue queue, CounterBlock counters)
    {
        _tunnel = tunnel;
        _queue = queue;
        _counters = counters;
        _thread = new Thread(Run) { Name = name, IsBackground = true };
    }

    /// <summary>Gets how often the thread has looked at queue and timers: what shows that it still moves.</summary>
    public long Rounds => Volatile.Read(ref _rounds);

    /// <summary>Starts the thread.</summary>
    public void Start() => _thread.Start();

    /// <summary>Has the thread look at queue and timers; any thread.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0)
        {
            _wake.Set();
        }
    }

    /// <summary>Counts drops that other threads report; they are rare.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="packets">How many.</param>
    /// <param name="bytes">Their bytes.</param>
    public void Dropped(DropReason reason, int packets, long bytes)
    {
        lock (_counters)
        {
            _counters.CountDrop(reason, packets, bytes);
        }
    }

    /// <summary>Counts a handshake message or cookie reply that left.</summary>
    /// <param name="bytes">Its bytes.</param>
    public void Sent(int bytes)
    {
        lock (_counters)
        {
            _counters.CountPort(PortFlow.OuterSent, 1, bytes);
        }
    }

    /// <summary>Stops the thread and waits for it.</summary>
    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        _wake.Dispose();
    }

    private void Run()
    {
        // A storm of handshakes leaves two thirds of a contended processor to the packets of those who are in.
        _ = LibC.setpriority(Definitions.PRIO_PROCESS, 0, 5);
        Span<byte> message = stackalloc byte[InitiationMessage.Size];
        bool timersRun = true;
        while (!_stopping)
        {
            if (_queue.Count == 0)
            {
                _wake.WaitOne(timersRun ? (int)(Tunnel.TickInterval / 1_000_000) : Timeout.Infinite);
            }

            Interlocked.Exchange(ref _signalled, 0);
            for (int i = 0; i < MessagesPerTick && _queue.TryTake(message, out int length, out EndpointAddress from, out SourceAddress to); i++)
            {
                DropReason reason = _tunnel.HandleHandshake(message[..length], from, to);
                if (reason != DropReason.None)
                {
                    Dropped(reason, 1, length);
                }
            }

            timersRun = _tunnel.Tick();
            Volatile.Write(ref _rounds, _rounds + 1);
        }
    }
}
