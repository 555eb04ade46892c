using TunnelBox.Control;

namespace TunnelBox.Service.Tests;

public sealed class HeartbeatTests
{
    [Fact]
    public async Task What_stands_is_told_once_and_forgotten_when_it_moves()
    {
        LogTests.MemorySink sink = new();
        using Log log = new(LogLevel.Info, sink);
        Standing tunnel = new();
        using Heartbeat heart = new(tunnel, TimeSpan.FromMilliseconds(50), null, log);
        heart.Start();
        Assert.Null(heart.Fault);
        tunnel.Stuck = "the worker tb-worker-0 has not moved for 0.0 s";
        await Until(() => heart.Fault == tunnel.Stuck);
        tunnel.Stuck = null;
        await Until(() => heart.Fault is null);
        Assert.Single(sink.Lines, line => line.Text.Contains("has not moved", StringComparison.Ordinal));
        Assert.Contains(sink.Lines, line => line.Text.Contains("everything moves again", StringComparison.Ordinal));
    }

    [Fact]
    public void A_third_of_the_managers_patience_is_the_interval()
    {
        Assert.Equal(Heartbeat.Usual, Heartbeat.IntervalFor(null));
        using SystemdNotifier patient = SystemdNotifier.Open("/run/x", "60000000")!;
        Assert.Equal(Heartbeat.Usual, Heartbeat.IntervalFor(patient));
        using SystemdNotifier hasty = SystemdNotifier.Open("/run/x", "3000000")!;
        Assert.Equal(TimeSpan.FromSeconds(1), Heartbeat.IntervalFor(hasty));
    }

    internal static async Task Until(Func<bool> condition)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(20));
        while (!condition())
        {
            await Task.Delay(10, limit.Token);
        }
    }

    /// <summary>A tunnel whose threads move, or do not, as a test says.</summary>
    internal sealed class Standing : ITunnel
    {
        private volatile string? _stuck;

        public string? Stuck
        {
            get => _stuck;
            set => _stuck = value;
        }

        public string InterfaceName => "tb0";

        public Task<string> Ended { get; } = new TaskCompletionSource<string>().Task;

        public string? FindStuck(TimeSpan patience) => _stuck;

        public void AddVerbs(ControlVerbs verbs)
        {
        }

        public int Apply(DeviceChange change) => 0;

        public void Dispose()
        {
        }

        public void Read(IDeviceVisitor visitor)
        {
        }

        public void Start()
        {
        }
    }
}
