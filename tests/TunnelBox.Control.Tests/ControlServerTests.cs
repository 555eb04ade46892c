using System.Net.Sockets;
using System.Text;

namespace TunnelBox.Control.Tests;

public sealed class ControlServerTests : IDisposable
{
    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"tb-ctl-{Guid.NewGuid():N}");
    private readonly ControlServer _server;

    public ControlServerTests()
    {
        ControlVerbs verbs = new();
        verbs.Add("done", static call => call.Done());
        verbs.Add("refuse", static _ => throw new ControlException("It may not be.", ControlFailure.NoPermission));
        verbs.Add("defect", static _ => throw new InvalidOperationException("oops"));
        verbs.Add("count", static call =>
        {
            for (int i = 0; call.IsOpen; i++)
            {
                call.Write(new ControlRequest { Verb = $"{i}" }, ControlJson.Default.ControlRequest);
            }
        });
        verbs.Add(AnnotateRequest.VerbName, static call =>
        {
            _ = call.Read(ControlJson.Default.AnnotateRequest);
            call.Done();
        });
        _server = ControlServer.Open("tb0", verbs, _directory);
        _server.Start();
    }

    public void Dispose()
    {
        _server.Dispose();
        Assert.Empty(Directory.GetFiles(_directory));
        Directory.Delete(_directory);
    }

    [Theory]
    [InlineData("""{"version":1,"verb":"done"}""", """{"version":1,"done":true}""")]
    [InlineData("""{"version":1,"verb":"done","more":[1,{}],"version":1}""", """{"version":1,"done":true}""")]
    [InlineData("""{"version":2,"verb":"done"}""", "has version 2; this daemon speaks version 1")]
    [InlineData("""{"version":1,"verb":"nothing"}""", "knows no control verb")]
    [InlineData("""{"version":1}""", "is not a JSON object with")]
    [InlineData("""{"verb":"done"}""", "has version 0")]
    [InlineData("null", "has version 0")]
    [InlineData("[]", "is not a JSON object with")]
    [InlineData("get=1", "is not a JSON object with")]
    [InlineData("", "is not a JSON object with")]
    [InlineData("""{"version":1,"verb":"refuse"}""", """{"version":1,"error":"It may not be.","failure":"NoPermission"}""")]
    [InlineData("""{"version":1,"verb":"defect"}""", "InvalidOperationException")]
    [InlineData("""{"version":1,"verb":"annotate","peers":[{"publicKey":5}]}""", "at $.peers[0].publicKey")]
    [InlineData("""{"version":1,"verb":"annotate","peers":[{"name":"x"}]}""", "is not as its verb needs it")]
    public void A_request_has_one_line_for_an_answer(string request, string answer)
    {
        string line = Ask(request);
        Assert.EndsWith("\n", line, StringComparison.Ordinal);
        Assert.Single(line.TrimEnd('\n').Split('\n'));
        Assert.Contains(answer, System.Text.RegularExpressions.Regex.Unescape(line), StringComparison.Ordinal);
    }

    [Fact]
    public void A_request_without_its_end_is_not_answered() => Assert.Empty(Send("""{"version":1,"verb":"done"}"""));

    [Fact]
    public void A_request_beyond_the_limit_is_refused() => Assert.Contains("is longer than", Ask(new string(' ', ControlSocket.MaxLine + 1)), StringComparison.Ordinal);

    [Fact]
    public void The_socket_is_the_owners_alone()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_server.SocketPath));
        Assert.Equal(Path.Combine(_directory, "tb0.ctl"), _server.SocketPath);
    }

    [Fact]
    public async Task A_stream_ends_when_its_reader_leaves_or_the_server_stops()
    {
        ControlClient client = new("tb0", _directory);
        IEnumerable<ControlRequest> Lines() => client.Stream(new ControlRequest { Verb = "count" }, ControlJson.Default.ControlRequest, ControlJson.Default.ControlRequest);
        Assert.Equal(["0", "1", "2"], Lines().Take(3).Select(line => line.Verb));
        Task reading = Task.Run(() => Assert.ThrowsAny<Exception>(() => Lines().All(_ => throw new IOException("enough"))));
        await reading.WaitAsync(TimeSpan.FromSeconds(20));
        Task<bool> toTheEnd = Task.Run(() => Lines().Any(line => line.Verb == "none"));
        await Task.Delay(100);
        _server.Dispose();
        try
        {
            Assert.False(await toTheEnd.WaitAsync(TimeSpan.FromSeconds(20)));
        }
        catch (ControlException)
        {
            // Broken off in a line, or before its connection was taken.
        }
    }

    [Fact]
    public void One_connection_too_many_is_told_so()
    {
        List<Socket> waiting = [];
        try
        {
            for (int i = 0; i < ControlServer.MaxConnections; i++)
            {
                waiting.Add(Connect());
            }

            Assert.True(SpinWait.SpinUntil(() => Ask("""{"version":1,"verb":"done"}""").Contains("connected already", StringComparison.Ordinal), 10_000));
        }
        finally
        {
            waiting.ForEach(static socket => socket.Dispose());
        }

        Assert.True(SpinWait.SpinUntil(() => Ask("""{"version":1,"verb":"done"}""").Contains("true", StringComparison.Ordinal), 10_000));
    }

    [Fact]
    public void The_client_hears_the_sentence_and_the_kind_of_failure()
    {
        ControlClient client = new("tb0", _directory);
        ControlException refused = Assert.Throws<ControlException>(() => Done(client, "refuse"));
        Assert.Equal("It may not be.", refused.Message);
        Assert.Equal(ControlFailure.NoPermission, refused.Failure);
        Assert.True(Done(client, "done").Done);
        ControlException absent = Assert.Throws<ControlException>(() => Done(new ControlClient("tb1", _directory), "done"));
        Assert.Equal(ControlFailure.NoDaemon, absent.Failure);
        Assert.Contains("tb1.ctl", absent.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_in_use_is_left_alone_and_a_dead_one_replaced()
    {
        Assert.Contains("another process", Assert.Throws<ControlException>(() => ControlServer.Open("tb0", new ControlVerbs(), _directory)).Message, StringComparison.Ordinal);
        using (Socket dead = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(Path.Combine(_directory, "x")));
            File.Move(Path.Combine(_directory, "x"), Path.Combine(_directory, "tb2.ctl"));
        }

        ControlServer.Open("tb2", new ControlVerbs(), _directory).Dispose();
    }

    [Fact]
    [Trait("Needs", "root")]
    public async Task A_stranger_is_refused()
    {
        // The mode already keeps strangers out; what holds when it is opened up is the kernel's word for who asks.
        File.SetUnixFileMode(_server.SocketPath, (UnixFileMode)0b110_110_110);
        File.SetUnixFileMode(_directory, (UnixFileMode)0b111_101_101);
        using System.Diagnostics.Process asking = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(
            "setpriv",
            ["--reuid=65534", "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e",
                "my $s = IO::Socket::UNIX->new($ARGV[0]) or die $!; print $s '{\"version\":1,\"verb\":\"done\"}', \"\\n\"; $s->flush; print <$s>",
                _server.SocketPath])
        { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        string answer = await asking.StandardOutput.ReadToEndAsync() + await asking.StandardError.ReadToEndAsync();
        await asking.WaitForExitAsync();
        Assert.Contains("only root", answer, StringComparison.Ordinal);
        Assert.Contains("NoPermission", answer, StringComparison.Ordinal);
    }

    private static ControlDone Done(ControlClient client, string verb) =>
        client.Ask(new ControlRequest { Verb = verb }, ControlJson.Default.ControlRequest, ControlJson.Default.ControlDone);

    private Socket Connect()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        socket.Connect(new UnixDomainSocketEndPoint(_server.SocketPath));
        return socket;
    }

    private string Ask(string request) => Send(request + "\n");

    private string Send(string bytes)
    {
        using Socket socket = Connect();
        try
        {
            socket.Send(Encoding.UTF8.GetBytes(bytes));
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // Refused before it was read.
        }

        List<byte> answer = [];
        byte[] buffer = new byte[4096];
        for (int got = Receive(socket, buffer); got > 0; got = Receive(socket, buffer))
        {
            answer.AddRange(buffer.AsSpan(0, got));
        }

        return Encoding.UTF8.GetString([.. answer]);
    }

    private static int Receive(Socket socket, byte[] buffer)
    {
        try
        {
            return socket.Receive(buffer);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Closed upon with a request unread.
            return 0;
        }
    }
}
