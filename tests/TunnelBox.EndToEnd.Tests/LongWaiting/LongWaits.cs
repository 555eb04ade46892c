using System.Collections.Concurrent;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests.LongWaiting;

/// <summary>Scenarios that mostly wait: all start with the run, each in namespaces of its own, and are joined at its end.</summary>
internal static class LongWaits
{
    private static readonly ConcurrentDictionary<string, Lazy<Task>> s_running = [];
    private static readonly ConcurrentDictionary<string, string> s_logs = [];

    /// <summary>Starts every scenario.</summary>
    public static void StartAll()
    {
        foreach (string name in Scenarios.Keys)
        {
            _ = StartAsync(name);
        }
    }

    /// <summary>Waits for one scenario; its failure is the test's.</summary>
    public static async Task JoinAsync(string name, ITestOutputHelper output)
    {
        try
        {
            await StartAsync(name);
        }
        finally
        {
            output.WriteLine(s_logs.GetValueOrDefault(name, ""));
        }
    }

    private static readonly Dictionary<string, (Func<Lab, Task> Run, int DeadlineSeconds)> Scenarios = new()
    {
        [nameof(RekeyUnderTraffic)] = (RekeyUnderTraffic.RunAsync, 200),
        [nameof(HandshakeGiveUp)] = (HandshakeGiveUp.RunAsync, 180),
        [nameof(PassiveKeepalive)] = (PassiveKeepalive.RunAsync, 120),
        [nameof(NameAfterSilence)] = (NameAfterSilence.RunAsync, 240),
        [nameof(PeerThatForgot)] = (PeerThatForgot.RunAsync, 120),
        [nameof(Soak)] = (Soak.RunAsync, 240),
    };

    private static Task StartAsync(string name)
    {
        return s_running.GetOrAdd(name, static name => new Lazy<Task>(() => Task.Run(() => RunAsync(name)))).Value;
    }

    private static async Task RunAsync(string name)
    {
        (Func<Lab, Task> run, int deadline) = Scenarios[name];
        await using Lab lab = await Lab.OpenAsync(TimeSpan.FromSeconds(deadline));
        try
        {
            await run(lab);
        }
        finally
        {
            s_logs[name] = $"took {lab.Elapsed.TotalSeconds:0} s\n{lab.Describe()}";
        }
    }
}

/// <summary>Puts the long waits last and, since it is asked before any test runs, has them started first.</summary>
public sealed class LongWaitsLast : ITestCollectionOrderer
{
    /// <inheritdoc/>
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections)
    {
        ITestCollection[] ordered =
            [.. testCollections.OrderBy(IsLong).ThenBy(static collection => collection.DisplayName, StringComparer.Ordinal)];
        if (ordered.Any(IsLong))
        {
            LongWaits.StartAll();
        }

        return ordered;
    }

    private static bool IsLong(ITestCollection collection)
    {
        return collection.DisplayName.EndsWith(nameof(LongWaitTests), StringComparison.Ordinal);
    }
}
