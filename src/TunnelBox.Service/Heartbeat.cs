namespace TunnelBox.Service;

/// <summary>
/// Looks at regular times whether everything that must move still moves (<see cref="ITunnel.FindStuck"/>), tells the service manager so, and remembers it for
/// <c>/livez</c>. A beat that does not come is what restarts a daemon that hangs, so nothing here depends on a peer or a network.
/// </summary>
/// <param name="tunnel">The tunnel.</param>
/// <param name="interval">Time between two looks.</param>
/// <param name="notifier">The service manager, or null.</param>
/// <param name="log">Where a standstill is told.</param>
public sealed class Heartbeat(ITunnel tunnel, TimeSpan interval, SystemdNotifier? notifier, Log log) : IDisposable
{
    /// <summary>Time between two looks where no service manager asks for another.</summary>
    public static readonly TimeSpan Usual = TimeSpan.FromSeconds(5);

    private const int MissedBeats = 3;
    private readonly ManualResetEventSlim _end = new();
    private long _last = Environment.TickCount64;
    private volatile string? _stuck;
    private Thread? _thread;

    /// <summary>Gets what does not move, or null while all is well.</summary>
    public string? Fault
    {
        get
        {
            TimeSpan since = TimeSpan.FromMilliseconds(Environment.TickCount64 - Volatile.Read(ref _last));
            return _stuck ?? (since > MissedBeats * interval ? $"nothing has been heard of the heartbeat for {since.TotalSeconds:F0} s" : null);
        }
    }

    /// <summary>Gives the time between looks: a third of what the service manager waits, so that one may be late.</summary>
    /// <param name="notifier">The service manager, or null.</param>
    /// <returns>The time.</returns>
    public static TimeSpan IntervalFor(SystemdNotifier? notifier) =>
        notifier?.Watchdog is { } patience && patience / 3 < Usual ? TimeSpan.FromMilliseconds(Math.Max(patience.TotalMilliseconds / 3, 50)) : Usual;

    /// <summary>Begins to look.</summary>
    public void Start()
    {
        Volatile.Write(ref _last, Environment.TickCount64);
        _thread = new Thread(Run, 256 * 1024) { IsBackground = true, Name = "tb-heartbeat" };
        _thread.Start();
    }

    /// <summary>Stops looking.</summary>
    public void Dispose()
    {
        _end.Set();
        _thread?.Join();
        _end.Dispose();
    }

    private void Run()
    {
        do
        {
            string? stuck = tunnel.FindStuck(interval / 2);
            if (stuck is null)
            {
                if (_stuck is not null)
                {
                    log.Info($"{tunnel.InterfaceName}: everything moves again.");
                }

                Volatile.Write(ref _last, Environment.TickCount64);
                notifier?.Alive();
            }
            else if (_stuck is null)
            {
                log.Error($"{tunnel.InterfaceName}: {stuck}.");
            }

            _stuck = stuck;
        }
        while (!_end.Wait(interval));
    }
}
