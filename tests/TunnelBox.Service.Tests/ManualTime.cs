namespace TunnelBox.Service.Tests;

/// <summary>A clock that moves when told; its timers fire while it moves.</summary>
internal sealed class ManualTime(DateTimeOffset start) : TimeProvider
{
    private readonly List<ManualTimer> _timers = [];
    private DateTimeOffset _now = start;
    private long _monotonic;

    public ManualTime()
        : this(new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.Zero))
    {
    }

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => _now;

    public override long GetTimestamp() => _monotonic;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ManualTimer timer = new(() => callback(state), _monotonic + dueTime.Ticks);
        _timers.Add(timer);
        return timer;
    }

    /// <summary>Lets time pass.</summary>
    public void Advance(TimeSpan duration)
    {
        _now += duration;
        _monotonic += duration.Ticks;
        foreach (ManualTimer timer in _timers.ToArray())
        {
            if (timer.Due <= _monotonic && !timer.Disposed)
            {
                _timers.Remove(timer);
                timer.Fire();
            }
        }
    }

    /// <summary>Sets the wall clock, as an operator or NTP does; monotonic time goes on.</summary>
    public void SetClock(DateTimeOffset now) => _now = now;

    private sealed class ManualTimer(Action fire, long due) : ITimer
    {
        public long Due { get; private set; } = due;

        public bool Disposed { get; private set; }

        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

        public void Dispose() => Disposed = true;

        public ValueTask DisposeAsync()
        {
            Disposed = true;
            return ValueTask.CompletedTask;
        }
    }
}
