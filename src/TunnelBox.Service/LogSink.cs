namespace TunnelBox.Service;

/// <summary>Where lines go. Never blocks for long and never throws: a log must not stop what it tells of.</summary>
public interface ILogSink
{
    /// <summary>Writes one line.</summary>
    /// <param name="level">Its level.</param>
    /// <param name="line">Its text, without line break or control characters.</param>
    void Write(LogLevel level, string line);
}
