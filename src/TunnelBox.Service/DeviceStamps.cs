using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>
/// The stamps of one device: strictly increasing, through crashes and clocks that go back, and as near to real time as that allows.
/// </summary>
/// <remarks>
/// <para>A file holds a limit that no sent stamp exceeds; it is raised, durably, before the first stamp beyond it is given
/// out, and a start goes on above it. The limit lies <see cref="Reservation"/> ahead of the clock, so a busy device
/// writes once in that time and an idle one never.</para>
/// <para>While the stamps themselves are ahead of the clock (it was set back, or the last run crashed), they advance by a
/// nanosecond each and the limit by one <see cref="TaiStamp.Grain"/>: a crash loop cannot run away from real time.
/// A clean end writes the last stamp itself.</para>
/// </remarks>
public sealed class DeviceStamps : IStampSource, IDisposable
{
    private readonly Lock _lock = new();
    private readonly Action<TaiStamp> _save;
    private readonly TimeProvider _time;
    private TaiStamp _last;
    private TaiStamp _limit;
    private bool _given;
    private bool _disposed;

    internal DeviceStamps(TaiStamp stored, Action<TaiStamp> save, TimeProvider time)
    {
        _last = stored;
        _limit = stored;
        _save = save;
        _time = time;
    }

    /// <summary>Gets how far the stored limit lies ahead of the clock when it is written.</summary>
    public static TimeSpan Reservation { get; } = TimeSpan.FromMinutes(5);

    /// <summary>Gives the next stamp; the caller may send it at once. Once in a <see cref="Reservation"/> this waits for the disk: not for workers.</summary>
    /// <returns>The clock's time, or a nanosecond after the last stamp where the clock is not beyond that.</returns>
    public TaiStamp Take()
    {
        lock (_lock)
        {
            TaiStamp now = TaiStamp.Of(_time.GetUtcNow());
            _last = now > _last ? now : new TaiStamp(_last.Nanoseconds + 1);
            _given = true;
            if (_last > _limit)
            {
                _limit = new TaiStamp(Math.Max(now.Nanoseconds + (Reservation.Ticks * 100), _last.Nanoseconds + TaiStamp.Grain));
                _save(_limit);
            }

            return _last;
        }
    }

    /// <summary>Gives the next stamp as its 12 bytes.</summary>
    /// <param name="label">At least 12 bytes.</param>
    public void Take(Span<byte> label) => Take().Write(label);

    /// <inheritdoc/>
    public Tai64n Next()
    {
        Span<byte> label = stackalloc byte[Tai64n.Size];
        Take(label);
        return Tai64n.Read(label);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (!_disposed && _given)
            {
                _save(_last);
            }

            _disposed = true;
        }
    }
}
