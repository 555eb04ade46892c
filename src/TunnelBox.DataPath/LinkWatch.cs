using System.Globalization;
using TunnelBox.Linux.Clock;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath;

/// <summary>What a TUN interface is like at a moment.</summary>
/// <param name="Name">Its name, which may change.</param>
/// <param name="IsUp">Whether it is up.</param>
/// <param name="Mtu">Its MTU in bytes.</param>
public readonly record struct LinkState(string Name, bool IsUp, int Mtu);

/// <summary>
/// Watches a TUN interface through its descriptor, wherever the interface goes: names, flags and MTU are read in the network
/// namespace where it is now. Its deletion is an error on the descriptor (EBADFD), never a message of rtnetlink alone,
/// since a move to another namespace looks just like that from the old one.
/// </summary>
public sealed unsafe class LinkWatch : IDisposable
{
    private const int LookInterval = 250;
    private const int SnapshotDescriptors = 4;
    private const int NetlinkRoute = 0;
    private const uint GroupLink = 1;
    private readonly int _tun;
    private readonly Action<LinkState> _changed;
    private readonly Action _gone;
    private readonly SnapshotGuard _snapshots;
    private readonly Action _restored;
    private readonly WakeEvent _wake = new();
    private readonly Thread _thread;
    private volatile bool _stopping;
    private FileDescriptor? _events;
    private FileDescriptor? _query;
    private string _space = string.Empty;
    private LinkState _state;

    /// <summary>Makes a watch; <see cref="Start"/> starts its thread.</summary>
    /// <param name="tun">A TUN descriptor, owned by the caller, open until after <see cref="Dispose"/>.</param>
    /// <param name="initial">The state that is known already.</param>
    /// <param name="changed">Is told of each change, on the watch's own thread.</param>
    /// <param name="gone">Is told once that the interface was deleted.</param>
    /// <param name="snapshots">Tells of restored snapshots of the machine; owned by the watch.</param>
    /// <param name="restored">Is told that a snapshot was restored.</param>
    public LinkWatch(
        int tun, LinkState initial, Action<LinkState> changed, Action gone, SnapshotGuard snapshots, Action restored)
    {
        _tun = tun;
        _state = initial;
        _changed = changed;
        _gone = gone;
        _snapshots = snapshots;
        _restored = restored;
        // A thread of its own, because it follows the interface into other namespaces and such a thread must not be shared.
        _thread = new Thread(Run) { Name = "tb-link", IsBackground = true };
    }

    /// <summary>Starts the watch.</summary>
    public void Start() => _thread.Start();

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        _events?.Dispose();
        _query?.Dispose();
        _snapshots.Dispose();
        _wake.Dispose();
    }

    private void Run()
    {
        pollfd* polled = stackalloc pollfd[3 + SnapshotDescriptors];
        Span<int> guards = stackalloc int[SnapshotDescriptors];
        int guardCount = _snapshots.GetPollDescriptors(guards);
        var interval = new timespec { tv_sec = 0, tv_nsec = LookInterval * 1_000_000L };
        while (!_stopping)
        {
            if (!Look())
            {
                _gone();
                return;
            }

            polled[0] = new pollfd { fd = _wake.Descriptor, events = Definitions.POLLIN };
            polled[1] = new pollfd { fd = _tun, events = 0 };
            polled[2] = new pollfd { fd = _events?.Value ?? -1, events = Definitions.POLLIN };
            for (int i = 0; i < guardCount; i++)
            {
                polled[3 + i] = new pollfd { fd = guards[i], events = Definitions.POLLIN };
            }

            _ = LibC.ppoll(polled, (nuint)(3 + guardCount), &interval);
            if (_snapshots.Poll())
            {
                _restored();
            }

            if ((polled[1].revents & Definitions.POLLERR) != 0 && !Exists(out _))
            {
                _gone();
                return;
            }

            Drain(polled[2].revents);
        }
    }

    private bool Look()
    {
        if (!Exists(out string name))
        {
            return false;
        }

        Follow();
        if (_query is not null && TryQuery(_query.Value, name, out LinkState state) && state != _state)
        {
            _state = state;
            _changed(state);
        }

        return true;
    }

    private bool Exists(out string name)
    {
        ifreq request = default;
        int error = LibC.ioctl(_tun, Definitions.TUNGETIFF, &request);
        name = error == 0 ? new string((sbyte*)request.ifr_name) : string.Empty;
        return error == 0;
    }

    // Enters the namespace in which the interface is now, when that is not the one of the last look.
    private void Follow()
    {
        int fd = LibC.ioctl(_tun, Definitions.TUNGETDEVNETNS, (nint)0);
        if (fd < 0)
        {
            // The descriptor has no way to say where it is: stay here, where the interface was made.
            OpenSockets();
            return;
        }

        using var space = new FileDescriptor(fd);
        string identity = File.ResolveLinkTarget("/proc/self/fd/" + fd.ToString(CultureInfo.InvariantCulture), returnFinalTarget: false)?.Name ?? string.Empty;
        if (identity == _space)
        {
            return;
        }

        if (LibC.setns(fd, Definitions.CLONE_NEWNET) < 0 && _space.Length != 0)
        {
            return;
        }

        _space = identity;
        _events?.Dispose();
        _query?.Dispose();
        _events = null;
        _query = null;
        OpenSockets();
    }

    private void OpenSockets()
    {
        _query ??= Open(Definitions.AF_INET, Definitions.SOCK_DGRAM, 0);
        if (_events is not null)
        {
            return;
        }

        _events = Open(Definitions.AF_NETLINK, Definitions.SOCK_RAW, NetlinkRoute);
        uint* address = stackalloc uint[3] { Definitions.AF_NETLINK, 0, GroupLink };
        if (_events is not null)
        {
            _ = LibC.bind(_events.Value, address, 12);
        }
    }

    private static FileDescriptor? Open(int family, int type, int protocol)
    {
        int fd = LibC.socket(family, type | Definitions.SOCK_CLOEXEC | Definitions.SOCK_NONBLOCK, protocol);
        return fd < 0 ? null : new FileDescriptor(fd);
    }

    private static bool TryQuery(int socket, string name, out LinkState state)
    {
        ifreq request = default;
        for (int i = 0; i < name.Length && i < Definitions.IFNAMSIZ - 1; i++)
        {
            request.ifr_name[i] = (byte)name[i];
        }

        state = default;
        if (LibC.ioctl(socket, Definitions.SIOCGIFFLAGS, &request) < 0)
        {
            return false;
        }

        bool up = (request.ifr_flags & Definitions.IFF_UP) != 0;
        if (LibC.ioctl(socket, Definitions.SIOCGIFMTU, &request) < 0)
        {
            return false;
        }

        state = new LinkState(name, up, request.ifr_mtu);
        return true;
    }

    // The messages only say that it is time to look.
    private void Drain(short revents)
    {
        if (revents == 0 || _events is null)
        {
            return;
        }

        byte* buffer = stackalloc byte[4096];
        while (LibC.read(_events.Value, buffer, 4096) > 0)
        {
            continue;
        }
    }
}
