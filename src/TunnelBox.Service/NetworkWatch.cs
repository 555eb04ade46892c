using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Service;

/// <summary>
/// The thread that follows the network around a tunnel: it waits for notifications of the namespace it was started in, which
/// is where the tunnel's UDP sockets are, gathers them until they pause, and tells. It also ticks for whoever needs the time.
/// </summary>
/// <param name="changed">Told what changed, at most once in <see cref="Pause"/>.</param>
/// <param name="tick">Called about once a second while it answers true, and after each <see cref="Wake"/>.</param>
/// <param name="failed">Told, in one sentence, that the network cannot be followed.</param>
public sealed class NetworkWatch(Action<NetworkChange> changed, Func<bool> tick, Action<string> failed) : IDisposable
{
    /// <summary>How long notifications must pause before they are told.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>How long they are gathered at most, where they do not pause.</summary>
    public static readonly TimeSpan LongestGathering = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private NetworkEvents? _events;
    private Thread? _thread;
    private volatile bool _stopping;
    private volatile bool _woken;

    /// <summary>Starts it; call it on a thread of the namespace to follow.</summary>
    /// <param name="ownLink">The index of the tunnel's own interface, of which nothing is told; 0 for none.</param>
    public void Start(int ownLink)
    {
        try
        {
            _events = NetworkEvents.Open();
            _events.Passed = ownLink;
        }
        catch (NetlinkException fault)
        {
            failed($"The network cannot be followed, so neither MTU nor names are renewed when it changes: {fault.Message}");
            return;
        }

        _thread = new Thread(Run) { Name = "tb-network", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Has the thread tick soon; any thread.</summary>
    public void Wake()
    {
        _woken = true;
        lock (_gate)
        {
            // Once it stops, the descriptor may be somebody else's.
            if (!_stopping)
            {
                _events?.Wake();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _stopping = true;
            _events?.Wake();
        }

        _thread?.Join();
        _events?.Dispose();
    }

    private void Run()
    {
        _ = LibC.setpriority(Definitions.PRIO_PROCESS, 0, 5);
        NetworkEvents events = _events!;
        NetworkChange gathered = NetworkChange.None;
        long first = 0;
        long ticked = 0;
        bool ticks = true;
        while (!_stopping)
        {
            NetworkChange news = events.Wait(gathered != NetworkChange.None ? Pause : ticks ? s_second : TimeSpan.FromTicks(-1));
            long now = Environment.TickCount64;
            first = gathered == NetworkChange.None ? now : first;
            gathered |= news;
            if (gathered != NetworkChange.None && (news == NetworkChange.None || now - first >= LongestGathering.TotalMilliseconds))
            {
                NetworkChange told = gathered;
                gathered = NetworkChange.None;
                changed(told);
            }

            if (_woken || now - ticked >= s_second.TotalMilliseconds)
            {
                _woken = false;
                ticked = now;
                ticks = tick();
            }
        }
    }
}
