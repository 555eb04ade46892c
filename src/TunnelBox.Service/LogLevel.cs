namespace TunnelBox.Service;

/// <summary>How much an event matters; the numbers are syslog's and journald's priorities (RFC 5424, section 6.2.1).</summary>
public enum LogLevel
{
    /// <summary>Nothing is written.</summary>
    Silent = 0,

    /// <summary>Something does not work.</summary>
    Error = 3,

    /// <summary>Something works less well than it could, or soon will not.</summary>
    Warning = 4,

    /// <summary>Something an operator wants to know happened.</summary>
    Info = 6,

    /// <summary>What a developer or a patient operator wants to follow.</summary>
    Verbose = 7,
}

/// <summary>Marks a level as a type, so that a message that nobody will read is not even put together.</summary>
public interface ILogLevelMark
{
    /// <summary>Gets the level.</summary>
    static abstract LogLevel Level { get; }
}

/// <summary>The marks of <see cref="LogMessage{TLevel}"/>.</summary>
public static class LogLevels
{
    /// <summary>Marks <see cref="LogLevel.Error"/>.</summary>
    public readonly struct Error : ILogLevelMark
    {
        /// <inheritdoc/>
        public static LogLevel Level => LogLevel.Error;
    }

    /// <summary>Marks <see cref="LogLevel.Warning"/>.</summary>
    public readonly struct Warning : ILogLevelMark
    {
        /// <inheritdoc/>
        public static LogLevel Level => LogLevel.Warning;
    }

    /// <summary>Marks <see cref="LogLevel.Info"/>.</summary>
    public readonly struct Info : ILogLevelMark
    {
        /// <inheritdoc/>
        public static LogLevel Level => LogLevel.Info;
    }

    /// <summary>Marks <see cref="LogLevel.Verbose"/>.</summary>
    public readonly struct Verbose : ILogLevelMark
    {
        /// <inheritdoc/>
        public static LogLevel Level => LogLevel.Verbose;
    }

    /// <summary>Reads <c>LOG_LEVEL</c> as wireguard-go does, plus <c>warning</c> and <c>info</c>.</summary>
    /// <param name="text">The value; null, empty or unknown means <see cref="LogLevel.Info"/>.</param>
    /// <returns>The level.</returns>
    public static LogLevel Parse(string? text) => text switch
    {
        "verbose" or "debug" => LogLevel.Verbose,
        "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        "silent" => LogLevel.Silent,
        _ => LogLevel.Info,
    };
}
