using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace TunnelBox.Service;

/// <summary>Tells the service manager how it goes (sd_notify(3)): datagrams of KEY=VALUE lines to the socket that NOTIFY_SOCKET names.</summary>
public sealed class SystemdNotifier : IDisposable
{
    /// <summary>The variable that names the socket.</summary>
    public const string SocketVariable = "NOTIFY_SOCKET";

    private const int LongestStatus = 200;
    private readonly Lock _gate = new();
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly UnixDomainSocketEndPoint _manager;

    private SystemdNotifier(string path) => _manager = new UnixDomainSocketEndPoint(path[0] == '@' ? "\0" + path[1..] : path);

    /// <summary>Gets how often the manager wants to hear that the daemon is alive at least, or null where it does not.</summary>
    public TimeSpan? Watchdog { get; private init; }

    /// <summary>Opens the way to the manager, where there is one.</summary>
    /// <param name="socket">The value of NOTIFY_SOCKET.</param>
    /// <param name="watchdog">The value of WATCHDOG_USEC.</param>
    /// <param name="watched">The value of WATCHDOG_PID.</param>
    /// <returns>The way, or null.</returns>
    public static SystemdNotifier? Open(string? socket, string? watchdog = null, string? watched = null)
    {
        if (string.IsNullOrEmpty(socket) || socket[0] is not ('/' or '@') || socket.Length < 2)
        {
            return null;
        }

        bool ours = string.IsNullOrEmpty(watched) || watched == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return new SystemdNotifier(socket)
        {
            Watchdog = ours && long.TryParse(watchdog, NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds) && microseconds > 0
                ? TimeSpan.FromMicroseconds(microseconds)
                : null,
        };
    }

    /// <summary>The tunnel is up, or up again after a reload.</summary>
    /// <param name="status">One line for people.</param>
    public void Ready(string status) => Send($"READY=1\nMAINPID={Environment.ProcessId}\nSTATUS={OneLine(status)}");

    /// <summary>A reload begins; <see cref="Ready"/> ends it.</summary>
    public void Reloading() =>
        Send(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000)}\nSTATUS=The configuration is read anew."));

    /// <summary>The way down begins.</summary>
    /// <param name="reason">Why.</param>
    public void Stopping(string reason) => Send($"STOPPING=1\nSTATUS={OneLine(reason)}");

    /// <summary>Says how it goes.</summary>
    /// <param name="status">One line for people.</param>
    public void Status(string status) => Send($"STATUS={OneLine(status)}");

    /// <summary>The daemon is alive.</summary>
    public void Alive() => Send("WATCHDOG=1");

    /// <summary>More time is needed before the next step is done.</summary>
    /// <param name="more">How much.</param>
    public void Extend(TimeSpan more) => Send(string.Create(CultureInfo.InvariantCulture, $"EXTEND_TIMEOUT_USEC={(long)more.TotalMicroseconds}"));

    /// <summary>Another process is the daemon from now on.</summary>
    /// <param name="process">Its number.</param>
    public void HandOver(int process) => Send($"MAINPID={process}\nSTATUS=Process {process} has taken over.");

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static string OneLine(string text)
    {
        text = text.ReplaceLineEndings(" ");
        return text.Length <= LongestStatus ? text : text[..LongestStatus];
    }

    private void Send(string text)
    {
        try
        {
            lock (_gate)
            {
                _socket.SendTo(Encoding.UTF8.GetBytes(text), _manager);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A manager that does not listen is no reason to stop; it will notice the silence by itself.
        }
    }
}
