using System.Collections.Concurrent;

namespace TunnelBox.Service;

/// <summary>All messages that one line of source writes at one level.</summary>
/// <param name="level">The level.</param>
internal sealed class LogKind(LogLevel level)
{
    internal LogLevel Level { get; } = level;

    internal string Last { get; set; } = string.Empty;

    internal int Passed { get; set; }

    internal long Suppressed { get; set; }

    internal long WindowStart { get; set; }

    internal ITimer? WindowEnd { get; set; }
}

/// <summary>
/// Lets a number of messages of a kind pass in each window. A kind that falls silent after a flood still tells how much was
/// left out: the first suppressed message sets a timer for the end of its window.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="tell">Writes the count of what was left out.</param>
internal sealed class LogLimits(TimeProvider time, Action<LogKind, long> tell) : IDisposable
{
    private readonly ConcurrentDictionary<(string File, int Line, LogLevel Level), LogKind> _kinds = new();

    public void Dispose()
    {
        foreach (LogKind kind in _kinds.Values)
        {
            CloseWindow(kind);
        }
    }

    internal LogKind Kind(string file, int line, LogLevel level) =>
        _kinds.GetOrAdd((file, line, level), static key => new LogKind(key.Level));

    internal bool Pass(LogKind kind, string message)
    {
        int allowance = kind.Level == LogLevel.Verbose ? Log.VerboseMessagesPerWindow : Log.MessagesPerWindow;
        lock (kind)
        {
            long now = time.GetTimestamp();
            if (kind.WindowEnd is null && (kind.Passed == 0 || time.GetElapsedTime(kind.WindowStart, now) >= Log.Window))
            {
                kind.WindowStart = now;
                kind.Passed = 0;
            }

            if (kind.Passed < allowance)
            {
                kind.Passed++;
                return true;
            }

            kind.Suppressed++;
            kind.Last = message;
            kind.WindowEnd ??= time.CreateTimer(
                state => CloseWindow((LogKind)state!),
                kind,
                Remaining(time.GetElapsedTime(kind.WindowStart, now)),
                Timeout.InfiniteTimeSpan);
            return false;
        }
    }

    private static TimeSpan Remaining(TimeSpan elapsed) => elapsed < Log.Window ? Log.Window - elapsed : TimeSpan.Zero;

    private void CloseWindow(LogKind kind)
    {
        long suppressed;
        lock (kind)
        {
            suppressed = kind.Suppressed;
            kind.Suppressed = 0;
            kind.Passed = 0;
            kind.WindowEnd?.Dispose();
            kind.WindowEnd = null;
        }

        if (suppressed > 0)
        {
            tell(kind, suppressed);
        }
    }
}
