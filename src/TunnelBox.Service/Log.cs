using System.Runtime.CompilerServices;

namespace TunnelBox.Service;

/// <summary>
/// The log: one line an event, at a level, limited in rate by place of origin. A level that is off costs one comparison.
/// Safe on every thread; meant for events, not for packets.
/// </summary>
/// <remarks>
/// The kind of a message is the source line that writes it: a stranger who can provoke one message must not be able to fill
/// a disk, nor to hide other messages, so each line of source has its own allowance. What was left out is counted, and the
/// count is told when the window ends.
/// </remarks>
public sealed class Log : IDisposable
{
    /// <summary>How many messages of a kind pass in one <see cref="Window"/>.</summary>
    public const int MessagesPerWindow = 10;

    /// <summary>How many messages of a kind pass in one <see cref="Window"/> at <see cref="LogLevel.Verbose"/>, which somebody asked for.</summary>
    public const int VerboseMessagesPerWindow = 1000;

    private readonly ILogSink _sink;
    private readonly LogLimits _limits;

    /// <summary>Makes a log.</summary>
    /// <param name="level">The least important level that is written.</param>
    /// <param name="sink">Where lines go.</param>
    /// <param name="time">The clock of the limits; the system's where null.</param>
    public Log(LogLevel level, ILogSink sink, TimeProvider? time = null)
    {
        Level = level;
        _sink = sink;
        _limits = new LogLimits(time ?? TimeProvider.System, (kind, suppressed) =>
            Emit(kind, $"{suppressed} similar suppressed, the last: {kind.Last}"));
    }

    /// <summary>Gets a log that writes nothing.</summary>
    public static Log Nowhere { get; } = new(LogLevel.Silent, new NullSink());

    /// <summary>Gets the length of the window in which <see cref="MessagesPerWindow"/> messages of one kind pass.</summary>
    public static TimeSpan Window { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Gets the least important level that is written.</summary>
    public LogLevel Level { get; }

    /// <summary>Tells whether a level is written.</summary>
    /// <param name="level">The level.</param>
    /// <returns>Whether it is.</returns>
    public bool IsOn(LogLevel level) => level <= Level;

    /// <summary>Something does not work.</summary>
    /// <param name="message">What, in one sentence.</param>
    /// <param name="file">Filled in by the compiler.</param>
    /// <param name="line">Filled in by the compiler.</param>
    public void Error(
        [InterpolatedStringHandlerArgument("")] ref LogMessage<LogLevels.Error> message,
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        if (IsOn(LogLevel.Error))
        {
            Limit(LogLevel.Error, message.ToStringAndClear(), file, line);
        }
    }

    /// <inheritdoc cref="Error(ref LogMessage{LogLevels.Error}, string, int)"/>
    public void Error(string message, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        Limit(LogLevel.Error, message, file, line);

    /// <summary>Something works less well than it could.</summary>
    /// <inheritdoc cref="Error(ref LogMessage{LogLevels.Error}, string, int)"/>
    public void Warning(
        [InterpolatedStringHandlerArgument("")] ref LogMessage<LogLevels.Warning> message,
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        if (IsOn(LogLevel.Warning))
        {
            Limit(LogLevel.Warning, message.ToStringAndClear(), file, line);
        }
    }

    /// <inheritdoc cref="Warning(ref LogMessage{LogLevels.Warning}, string, int)"/>
    public void Warning(string message, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        Limit(LogLevel.Warning, message, file, line);

    /// <summary>Something an operator wants to know.</summary>
    /// <inheritdoc cref="Error(ref LogMessage{LogLevels.Error}, string, int)"/>
    public void Info(
        [InterpolatedStringHandlerArgument("")] ref LogMessage<LogLevels.Info> message,
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        if (IsOn(LogLevel.Info))
        {
            Limit(LogLevel.Info, message.ToStringAndClear(), file, line);
        }
    }

    /// <inheritdoc cref="Info(ref LogMessage{LogLevels.Info}, string, int)"/>
    public void Info(string message, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        Limit(LogLevel.Info, message, file, line);

    /// <summary>Something a patient reader wants to follow.</summary>
    /// <inheritdoc cref="Error(ref LogMessage{LogLevels.Error}, string, int)"/>
    public void Verbose(
        [InterpolatedStringHandlerArgument("")] ref LogMessage<LogLevels.Verbose> message,
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        if (IsOn(LogLevel.Verbose))
        {
            Limit(LogLevel.Verbose, message.ToStringAndClear(), file, line);
        }
    }

    /// <inheritdoc cref="Verbose(ref LogMessage{LogLevels.Verbose}, string, int)"/>
    public void Verbose(string message, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        Limit(LogLevel.Verbose, message, file, line);

    /// <summary>Tells the counts that are still open and stops the clock of the limits.</summary>
    public void Dispose() => _limits.Dispose();

    private void Limit(LogLevel level, string message, string file, int line)
    {
        if (IsOn(level))
        {
            LogKind kind = _limits.Kind(file, line, level);
            string safe = LogText.Clean(message);
            if (_limits.Pass(kind, safe))
            {
                Emit(kind, safe);
            }
        }
    }

    private void Emit(LogKind kind, string text) => _sink.Write(kind.Level, text);

    private sealed class NullSink : ILogSink
    {
        public void Write(LogLevel level, string line)
        {
        }
    }
}
