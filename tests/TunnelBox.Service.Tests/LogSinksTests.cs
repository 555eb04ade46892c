using System.IO.Pipes;
using System.Net.Sockets;
using System.Text;

namespace TunnelBox.Service.Tests;

public sealed class LogSinksTests
{
    [Fact]
    public void Lines_look_as_their_reader_expects()
    {
        Assert.Equal("ERROR: (wg0) 2026/01/31 12:00:00 text\n", Written(LogStyle.Plain, LogLevel.Error));
        Assert.Equal("DEBUG: (wg0) 2026/01/31 12:00:00 text\n", Written(LogStyle.Plain, LogLevel.Verbose));
        Assert.Equal("<4>(wg0) text\n", Written(LogStyle.Journal, LogLevel.Warning));
        Assert.Equal("<7>(wg0) text\n", Written(LogStyle.Journal, LogLevel.Verbose));
    }

    [Fact]
    public async Task A_reader_who_stops_reading_loses_lines_and_learns_how_many()
    {
        using AnonymousPipeServerStream reader = new(PipeDirection.In);
        int descriptor = (int)reader.ClientSafePipeHandle.DangerousGetHandle();
        StreamLogSink sink = new("wg0", LogStyle.Journal, descriptor);
        string text = new('x', 990);
        Task writing = Task.Run(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                sink.Write(LogLevel.Info, text);
            }
        });
        await writing.WaitAsync(TimeSpan.FromSeconds(20));

        byte[] buffer = new byte[1 << 20];
        int read = await reader.ReadAsync(buffer);
        int passed = Encoding.UTF8.GetString(buffer, 0, read).Count(static c => c == '\n');
        Assert.InRange(passed, 1, 199);
        sink.Write(LogLevel.Info, "again");
        read = await reader.ReadAsync(buffer);
        Assert.Equal($"<4>(wg0) {200 - passed} lines lost: nobody read them.\n<6>(wg0) again\n", Encoding.UTF8.GetString(buffer, 0, read));
    }

    [Fact]
    public void A_reader_who_has_gone_is_no_fault()
    {
        AnonymousPipeServerStream reader = new(PipeDirection.In);
        int descriptor = (int)reader.ClientSafePipeHandle.DangerousGetHandle();
        StreamLogSink sink = new("wg0", LogStyle.Plain, descriptor);
        reader.Dispose();
        sink.Write(LogLevel.Error, "nobody hears this");
    }

    [Fact]
    public void Only_the_journals_own_stream_gets_priorities()
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        int descriptor = (int)socket.Handle;
        string inode = new FileInfo($"/proc/self/fd/{descriptor}").LinkTarget!["socket:[".Length..^1];
        Assert.True(StreamLogSink.IsJournal($"9:{inode}", descriptor));
        Assert.False(StreamLogSink.IsJournal("9:1", descriptor));
        Assert.False(StreamLogSink.IsJournal(null, descriptor));
        Assert.False(StreamLogSink.IsJournal(string.Empty, descriptor));
        Assert.False(StreamLogSink.IsJournal("nonsense", descriptor));
        Assert.False(StreamLogSink.IsJournal($"9:{inode}", 9999));
    }

    [Fact]
    public void Syslog_gets_facility_and_priority_and_may_restart()
    {
        string path = Path.Combine(Path.GetTempPath(), $"tb-log-{Guid.NewGuid():N}");
        using SyslogLogSink sink = new("wg0", path);
        sink.Write(LogLevel.Error, "nobody listens yet");
        for (int run = 0; run < 2; run++)
        {
            using (Socket server = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 5000 })
            {
                server.Bind(new UnixDomainSocketEndPoint(path));
                sink.Write(LogLevel.Warning, "text");
                byte[] buffer = new byte[4096];
                int length = server.Receive(buffer);
                Assert.Equal($"<28>tunnelbox[{Environment.ProcessId}]: (wg0) text", Encoding.UTF8.GetString(buffer, 0, length));
            }

            File.Delete(path);
        }
    }

    private static string Written(LogStyle style, LogLevel level)
    {
        using AnonymousPipeServerStream reader = new(PipeDirection.In);
        new StreamLogSink("wg0", style, (int)reader.ClientSafePipeHandle.DangerousGetHandle(), new ManualTime()).Write(level, "text");
        byte[] buffer = new byte[4096];
        return Encoding.UTF8.GetString(buffer, 0, reader.Read(buffer));
    }
}
