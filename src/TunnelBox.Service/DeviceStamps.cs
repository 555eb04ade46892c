using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>
/// The stamps of one device: strictly increasing, through crashes and clocks that go back, and as near to real time as that allows.
/// </summary>
/// <remarks>
/// <para>A file holds a limit that no sent stamp exceeds; it is raised, durably, before the first stamp beyond it is given
/// out, and a start goes on above it. The limit lies <see cref="Reservation"/> ahead of the clock, so an idle device
/// never writes, and a busy one every half of it, beside the traffic: only the first handshake after a pause waits for the disk.</para>
/// <para>While the stamps themselves are ahead of the clock (it was set back, or the last run crashed), they advance by a
/// nanosecond each and the limit by <see cref="StepAhead"/>: a crash loop cannot run away from real time.
/// A clean end writes the last stamp itself.</para>
/// </remarks>
public sealed class DeviceStamps : IStampSource, IDisposable
{
    /// <summary>Nanoseconds by which the limit is raised while the stamps are ahead of the clock: millions of handshakes.</summary>
    public const ulong StepAhead = 10_000_000;

    // Taken before _lock, and alone while the disk is waited for.
    private readonly Lock _saveLock = new();
    private readonly Lock _lock = new();
    private readonly Action<Tai64n> _save;
    private readonly TimeProvider _time;
    private readonly Tai64nClock _clock;
    private Tai64n _limit;
    private bool _given;
    private bool _extending;
    private bool _disposed;

    internal DeviceStamps(Tai64n stored, Action<Tai64n> save, TimeProvider time)
    {
        _clock = new Tai64nClock(time, stored);
        _limit = stored;
        _save = save;
        _time = time;
    }

    /// <summary>Gets how far the stored limit lies ahead of the clock when it is written.</summary>
    public static TimeSpan Reservation { get; } = TimeSpan.FromMinutes(5);

    /// <summary>Gives the next stamp; the caller may send it at once.</summary>
    /// <returns>The clock's time, or a nanosecond after the last stamp where the clock is not beyond that.</returns>
    public Tai64n Next()
    {
        Tai64n stamp = _clock.Next();
        bool covered;
        bool extend;
        lock (_lock)
        {
            _given = true;
            covered = stamp <= _limit;
            extend = covered && !_extending && FromNow(Reservation / 2) > _limit;
            _extending |= extend;
        }

        if (!covered)
        {
            Raise(stamp);
        }
        else if (extend)
        {
            ThreadPool.QueueUserWorkItem(static stamps => stamps.Extend(), this, preferLocal: false);
        }

        return stamp;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_saveLock)
        {
            if (!_disposed && _given)
            {
                _save(_clock.Last);
            }

            _disposed = true;
        }
    }

    // Coarse, since the stamps of a run after a crash go on from the limit, and would tell the peer when it was written.
    private Tai64n FromNow(TimeSpan duration) => Tai64n.From(_time.GetUtcNow() + duration).Coarse();

    private void Raise(Tai64n stamp)
    {
        lock (_saveLock)
        {
            Tai64n limit;
            lock (_lock)
            {
                if (stamp <= _limit)
                {
                    return;
                }

                Tai64n least = stamp.Add(StepAhead);
                limit = FromNow(Reservation) is var wanted && wanted > least ? wanted : least;
            }

            Save(limit);
        }
    }

    private void Extend()
    {
        lock (_saveLock)
        {
            Tai64n limit = FromNow(Reservation);
            if (!_disposed && limit > _limit)
            {
                Save(limit);
            }

            lock (_lock)
            {
                _extending = false;
            }
        }
    }

    // A limit that could not be stored counts as well: another try for each handshake would not help.
    private void Save(Tai64n limit)
    {
        _save(limit);
        lock (_lock)
        {
            _limit = limit;
        }
    }
}
