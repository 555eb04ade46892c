using System.Net.Sockets;
using System.Text;

namespace TunnelBox.Service.Tests;

public sealed class SystemdNotifierTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tbnotify").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Each_word_is_a_datagram_to_the_managers_socket(bool isAbstract)
    {
        string name = isAbstract ? $"@tbnotify-{Environment.ProcessId}" : Path.Combine(_folder, "notify");
        using Socket manager = Listen(name);
        using SystemdNotifier notifier = SystemdNotifier.Open(name, "3000000", Environment.ProcessId.ToString())!;
        Assert.Equal(TimeSpan.FromSeconds(3), notifier.Watchdog);
        notifier.Ready("The tunnel\nis up.");
        Assert.Equal($"READY=1\nMAINPID={Environment.ProcessId}\nSTATUS=The tunnel is up.", Receive(manager));
        long before = Microseconds();
        notifier.Reloading();
        string[] lines = Receive(manager).Split('\n');
        Assert.Equal("RELOADING=1", lines[0]);
        // systemd compares it with its own clock, CLOCK_MONOTONIC.
        Assert.InRange(long.Parse(lines[1]["MONOTONIC_USEC=".Length..]), before, Microseconds());
        notifier.Stopping("signal SIGTERM");
        Assert.Equal("STOPPING=1\nSTATUS=signal SIGTERM", Receive(manager));
        notifier.Alive();
        Assert.Equal("WATCHDOG=1", Receive(manager));
        notifier.HandOver(17);
        Assert.StartsWith("MAINPID=17\n", Receive(manager), StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_listening_costs_nothing()
    {
        Assert.Null(SystemdNotifier.Open(null));
        Assert.Null(SystemdNotifier.Open("relative"));
        using SystemdNotifier notifier = SystemdNotifier.Open(Path.Combine(_folder, "nobody"), "1000000", "1")!;
        Assert.Null(notifier.Watchdog);
        notifier.Alive();
    }

    [Fact]
    public async Task The_heartbeat_is_told_while_all_moves_and_withheld_while_something_stands()
    {
        string name = Path.Combine(_folder, "notify");
        using Socket manager = Listen(name);
        using SystemdNotifier notifier = SystemdNotifier.Open(name, "300000")!;
        using Log log = new(LogLevel.Info, new LogTests.MemorySink());
        HeartbeatTests.Standing tunnel = new();
        using Heartbeat heart = new(tunnel, Heartbeat.IntervalFor(notifier), notifier, log);
        heart.Start();
        Assert.Equal("WATCHDOG=1", Receive(manager));
        Assert.Equal("WATCHDOG=1", Receive(manager));
        tunnel.Stuck = "the worker tb-worker-0 has not moved";
        await HeartbeatTests.Until(() => heart.Fault is not null);
        while (manager.Available > 0)
        {
            _ = Receive(manager);
        }

        manager.ReceiveTimeout = 500;
        Assert.Throws<SocketException>(() => Receive(manager));
    }

    private static Socket Listen(string name)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        socket.Bind(new UnixDomainSocketEndPoint(name[0] == '@' ? "\0" + name[1..] : name));
        return socket;
    }

    private static string Receive(Socket socket)
    {
        byte[] buffer = new byte[4096];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }

    private static long Microseconds() => System.Diagnostics.Stopwatch.GetTimestamp() / (System.Diagnostics.Stopwatch.Frequency / 1_000_000);
}
