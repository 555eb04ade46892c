using System.Net.Sockets;
using TunnelBox.Control;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Service.Tests;

public sealed class LifecycleTests : IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(20);

    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"tb-life-{Guid.NewGuid():N}");
    private readonly LogTests.MemorySink _sink = new();
    private readonly Log _log;
    private readonly NoInterface _tunnel = new();

    public LifecycleTests() => _log = new Log(LogLevel.Info, _sink);

    private string SocketPath => Path.Combine(_directory, "tb0.sock");

    public void Dispose()
    {
        _log.Dispose();
        if (Directory.Exists(_directory))
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

    [Fact]
    public async Task The_deletion_of_the_interface_ends_it_and_leaves_nothing()
    {
        Task<int> run = Run();
        await Serving(run);
        Assert.True(_tunnel.Started);
        ControlDone answer = new ControlClient("tb0", _directory).Ask(
            new ControlRequest { Verb = "status" }, ControlJson.Default.ControlRequest, ControlJson.Default.ControlDone);
        Assert.True(answer.Done);
        _tunnel.End("the interface tb0 was deleted");
        Assert.Equal(ExitCodes.Done, await run.WaitAsync(s_deadline));
        Assert.True(_tunnel.Disposed);
        Assert.Empty(Directory.GetFiles(_directory));
        Assert.Contains(_sink.Lines, static line => line.Text == "Stopping: the interface tb0 was deleted.");
    }

    [Fact]
    public async Task The_removal_of_the_socket_file_ends_it()
    {
        Task<int> run = Run();
        await Serving(run);
        File.Delete(SocketPath);
        Assert.Equal(ExitCodes.Done, await run.WaitAsync(s_deadline));
        Assert.True(_tunnel.Disposed);
        Assert.Empty(Directory.GetFiles(_directory));
    }

    [Theory]
    [InlineData(LogLevel.Silent)]
    [InlineData(LogLevel.Error)]
    [InlineData(LogLevel.Verbose)]
    public async Task It_waits_for_its_end_whatever_the_log_tells(LogLevel level)
    {
        using Log log = new(level, _sink);
        Task<int> run = Task.Run(() => new Lifecycle(Options(null), log).Run((_, _) => _tunnel));
        await Eventually(() => File.Exists(SocketPath) && _tunnel.Started, run);
        await Task.Delay(300);
        Assert.False(run.IsCompleted);
        _tunnel.End("enough");
        Assert.Equal(ExitCodes.Done, await run.WaitAsync(s_deadline));
    }

    [Fact]
    public async Task What_ends_during_the_start_is_a_failed_start_to_a_waiting_parent_and_an_end_otherwise()
    {
        _tunnel.End("the interface was deleted");
        Assert.Equal(ExitCodes.Done, await Run().WaitAsync(s_deadline));
        using ReadinessPipe pipe = ReadinessPipe.Create();
        StartException fault = await Assert.ThrowsAsync<StartException>(
            () => Run(ReadinessNotifier.Open(pipe.DetachWriteEnd())).WaitAsync(s_deadline));
        Assert.Contains("the interface was deleted", fault.Message, StringComparison.Ordinal);
        Assert.True(_tunnel.Disposed);
        Assert.Empty(Directory.GetFiles(_directory));
    }

    [Fact]
    public async Task A_socket_in_use_is_one_sentence_and_is_left_alone()
    {
        Directory.CreateDirectory(_directory);
        using Socket other = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(SocketPath));
        other.Listen();
        StartException fault = await Assert.ThrowsAsync<StartException>(() => Run().WaitAsync(s_deadline));
        Assert.Contains(SocketPath, fault.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.CannotStart, fault.ExitCode);
        Assert.True(_tunnel.Disposed);
        Assert.False(_tunnel.Started);
        Assert.True(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_failure_to_open_is_passed_on()
    {
        StartException fault = await Assert.ThrowsAsync<StartException>(
            () => Task.Run(() => new Lifecycle(new LifecycleOptions("tb0"), _log).Run(static (_, _) => throw new StartException("no", 2))));
        Assert.Equal(2, fault.ExitCode);
    }

    [Fact]
    public async Task The_parent_hears_that_it_serves_once_it_does()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        Task<int> run = Run(ReadinessNotifier.Open(pipe.DetachWriteEnd()));
        Assert.Equal(ReadinessOutcome.Ready, pipe.Wait(s_deadline).Outcome);
        Assert.True(File.Exists(SocketPath));
        using (Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await client.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath));
            await client.SendAsync("get=1\n\n"u8.ToArray());
            Assert.True(await client.ReceiveAsync(new byte[100]) > 0);
        }

        _tunnel.End("enough");
        await run.WaitAsync(s_deadline);
    }

    [Fact]
    public async Task A_parent_that_was_interrupted_leaves_no_tunnel_behind()
    {
        ReadinessPipe pipe = ReadinessPipe.Create();
        using ReadinessNotifier notifier = ReadinessNotifier.Open(pipe.DetachWriteEnd())!;
        // The read end goes with the parent; the write end stays with the child.
        pipe.CloseReadEnd();
        Assert.Equal(ExitCodes.Done, await Run(notifier).WaitAsync(s_deadline));
        Assert.True(_tunnel.Disposed);
        Assert.Empty(Directory.GetFiles(_directory));
    }

    private static async Task Eventually(Func<bool> condition, Task<int> run)
    {
        using CancellationTokenSource deadline = new(s_deadline);
        while (!condition())
        {
            Assert.False(run.IsCompleted, run.Exception?.ToString());
            await Task.Delay(10, deadline.Token);
        }
    }

    private Task<int> Run(ReadinessNotifier? readiness = null) =>
        Task.Run(() => new Lifecycle(Options(readiness), _log).Run((_, _) => _tunnel));

    private LifecycleOptions Options(ReadinessNotifier? readiness) =>
        new("tb0") { SocketDirectory = _directory, RuntimeDirectory = _directory, Readiness = readiness, StopDeadline = TimeSpan.FromHours(1) };

    private Task Serving(Task<int> run) =>
        Eventually(() => _sink.Lines.ToArray().Any(static line => line.Text.Contains("is up", StringComparison.Ordinal)), run);

    /// <summary>The device without its interface: what is tested here is the life around it.</summary>
    private sealed class NoInterface : ITunnel
    {
        private readonly TaskCompletionSource<string> _ended = new();

        public bool Started { get; private set; }

        public bool Disposed { get; private set; }

        public string InterfaceName => "tb0";

        public Task<string> Ended => _ended.Task;

        public void End(string reason) => _ended.TrySetResult(reason);

        public void Start() => Started = true;

        public void Read(IDeviceVisitor visitor) => visitor.Device([], 0, 0);

        public int Apply(DeviceChange change) => -95;

        public void AddVerbs(ControlVerbs verbs) => verbs.Add("status", static call => call.Done());

        public void Dispose() => Disposed = true;
    }
}
