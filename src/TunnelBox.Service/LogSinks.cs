using System.Globalization;
using System.Net.Sockets;
using System.Text;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Service;

/// <summary>How a line looks on a stream.</summary>
public enum LogStyle
{
    /// <summary>As wireguard-go writes it: <c>INFO: (wg0) 2026/01/31 12:00:00 text</c>.</summary>
    Plain,

    /// <summary>For a stream that journald reads: <c>&lt;6&gt;(wg0) text</c>; the journal knows the time.</summary>
    Journal,
}

/// <summary>Writes lines to a descriptor. A reader who has stopped reading loses lines instead of stopping the tunnel.</summary>
/// <param name="name">The interface, named in every line.</param>
/// <param name="style">How a line looks.</param>
/// <param name="descriptor">The descriptor; 2 is standard error.</param>
/// <param name="time">The clock of plain lines; the system's where null.</param>
public sealed class StreamLogSink(string name, LogStyle style, int descriptor = 2, TimeProvider? time = null) : ILogSink
{
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Lock _order = new();
    private long _lost;

    /// <summary>Tells whether journald reads a descriptor, by <c>JOURNAL_STREAM</c> (systemd.exec(5)): "device:inode" of it.</summary>
    /// <param name="journalStream">The variable's value.</param>
    /// <param name="descriptor">The descriptor.</param>
    /// <returns>Whether it does.</returns>
    public static bool IsJournal(string? journalStream, int descriptor = 2)
    {
        string? inode = journalStream?.Split(':') is [_, var number] ? number : null;
        if (string.IsNullOrEmpty(inode))
        {
            return false;
        }

        try
        {
            return new FileInfo($"/proc/self/fd/{descriptor}").LinkTarget == $"socket:[{inode}]";
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Write(LogLevel level, string line)
    {
        string text = style == LogStyle.Journal
            ? $"<{(int)level}>({name}) {line}\n"
            : $"{Word(level)}: ({name}) {_time.GetLocalNow().ToString("yyyy/MM/dd HH:mm:ss", CultureInfo.InvariantCulture)} {line}\n";
        lock (_order)
        {
            if (_lost > 0 && Descriptors.TryWrite(descriptor, Encoding.UTF8.GetBytes(LostLine())))
            {
                _lost = 0;
            }

            if (!Descriptors.TryWrite(descriptor, Encoding.UTF8.GetBytes(text)))
            {
                _lost++;
            }
        }
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Error => "ERROR",
        LogLevel.Warning => "WARNING",
        LogLevel.Verbose => "DEBUG",
        _ => "INFO",
    };

    private string LostLine() => style == LogStyle.Journal
        ? $"<{(int)LogLevel.Warning}>({name}) {_lost} lines lost: nobody read them.\n"
        : $"WARNING: ({name}) {_lost} lines lost: nobody read them.\n";
}

/// <summary>Sends lines to the system's log socket, <c>/dev/log</c> (RFC 3164, facility daemon): for a daemon without streams.</summary>
/// <param name="name">The interface, named in every line.</param>
/// <param name="path">The socket.</param>
public sealed class SyslogLogSink(string name, string path = SyslogLogSink.DefaultPath) : ILogSink, IDisposable
{
    /// <summary>Where syslog daemons and journald listen.</summary>
    public const string DefaultPath = "/dev/log";

    private const int FacilityDaemon = 3 << 3;

    private readonly Lock _order = new();
    private Socket? _socket;

    /// <inheritdoc/>
    public void Write(LogLevel level, string line)
    {
        byte[] datagram = Encoding.UTF8.GetBytes($"<{FacilityDaemon | (int)level}>tunnelbox[{Environment.ProcessId}]: ({name}) {line}");
        lock (_order)
        {
            // Once more with a new socket: the log daemon may have been restarted. A missing one is no fault of ours.
            for (int attempt = 0; attempt < 2; attempt++)
            {
                try
                {
                    _socket ??= Connect();
                    _socket.Send(datagram);
                    return;
                }
                catch (SocketException fault)
                {
                    if (fault.SocketErrorCode == SocketError.WouldBlock)
                    {
                        return;
                    }

                    _socket?.Dispose();
                    _socket = null;
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_order)
        {
            _socket?.Dispose();
            _socket = null;
        }
    }

    private Socket Connect()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
