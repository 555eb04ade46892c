using TunnelBox.Control;
using TunnelBox.Control.Quick;

namespace TunnelBox.Service;

/// <summary>
/// Has the interface's MTU follow the route to the endpoints, where it was derived from that. It remembers the MTU that it or
/// <c>up</c> set last: a device with another one was set by hand, and is left alone from then on.
/// </summary>
/// <param name="read">Reads the device's MTU; negative on failure.</param>
/// <param name="write">Sets it; 0 or −errno.</param>
/// <param name="find">Finds the route to follow; null where there is none now.</param>
/// <param name="told">Told what was done, one sentence.</param>
public sealed class MtuFollower(Func<int> read, Func<int, int> write, Func<MtuRoute?> find, Action<string> told)
{
    private readonly Lock _gate = new();
    private MtuOrigin _origin;
    private MtuRoute? _route;
    private int _expected;
    private int _refused;

    /// <summary>Gets where the MTU comes from.</summary>
    public MtuOrigin Origin
    {
        get
        {
            lock (_gate)
            {
                return _origin;
            }
        }
    }

    /// <summary>Gets the route that is followed, or null for none.</summary>
    public MtuRoute? Route
    {
        get
        {
            lock (_gate)
            {
                return _origin == MtuOrigin.Route ? _route : null;
            }
        }
    }

    /// <summary>Takes over what <c>annotate</c> says.</summary>
    /// <param name="annotation">Where the MTU comes from.</param>
    public void Adopt(MtuAnnotation annotation)
    {
        ArgumentNullException.ThrowIfNull(annotation);
        lock (_gate)
        {
            if (!annotation.Derived)
            {
                _origin = MtuOrigin.File;
                return;
            }

            if (_origin == MtuOrigin.Hand && annotation.Value is null)
            {
                // A file that is loaded again and gives no MTU says nothing against the one that was set by hand.
                return;
            }

            // Without a value, what is there now is what the file's last word or "up" left there.
            _expected = _origin == MtuOrigin.Route && annotation.Value is null ? _expected : annotation.Value ?? read();
            _origin = MtuOrigin.Route;
        }

        Look();
    }

    /// <summary>The device has another MTU, or may have: finds out whether somebody else set it.</summary>
    public void Seen()
    {
        lock (_gate)
        {
            Check();
        }
    }

    /// <summary>Looks at the route, and sets the MTU where it calls for another.</summary>
    public void Look()
    {
        lock (_gate)
        {
            if (!Check())
            {
                return;
            }

            _route = find();
            if (_route is null || _route.Mtu == _expected || _route.Mtu == _refused)
            {
                return;
            }

            int error = write(_route.Mtu);
            if (error < 0)
            {
                // Once: the same route will be refused again.
                _refused = _route.Mtu;
                told($"the MTU could not follow {_route}: {Linux.Libc.Errno.Describe(error)}");
                return;
            }

            told($"MTU {_expected} -> {_route.Mtu}, following {_route}");
            _expected = _route.Mtu;
            _refused = 0;
        }
    }

    // Under the lock, so that what is read is never older than what was written.
    private bool Check()
    {
        if (_origin != MtuOrigin.Route)
        {
            return false;
        }

        int present = read();
        if (present < 0 || present == _expected)
        {
            return present >= 0;
        }

        _origin = MtuOrigin.Hand;
        _route = null;
        told($"MTU {present} was set by hand, so it no longer follows the route");
        return false;
    }
}
