using System.Diagnostics;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Service.Tests;

[Trait("Needs", "root")]
public sealed class NetworkWatchTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    [Fact]
    public void A_burst_of_changes_is_told_once_it_pauses_and_a_wake_ticks() => InPrivateNetwork(() =>
    {
        using AutoResetEvent told = new(false);
        using AutoResetEvent ticked = new(false);
        NetworkChange all = NetworkChange.None;
        int times = 0;
        using NetworkWatch watch = new(
            change =>
            {
                all |= change;
                times++;
                told.Set();
            },
            () =>
            {
                ticked.Set();
                return false;
            },
            sentence => Assert.Fail(sentence));
        watch.Start(ownLink: 0);
        Assert.True(ticked.WaitOne(s_patience));
        Ip("link set lo up");
        Assert.True(told.WaitOne(s_patience));
        times = 0;
        long start = Stopwatch.GetTimestamp();
        for (int i = 1; i <= 20; i++)
        {
            Ip($"address add 192.0.2.{i}/32 dev lo");
        }

        Assert.True(told.WaitOne(s_patience));
        TimeSpan burst = Stopwatch.GetElapsedTime(start);
        Thread.Sleep(NetworkWatch.LongestGathering + NetworkWatch.Pause);
        Assert.Equal(NetworkChange.Addresses, all & NetworkChange.Addresses);
        // Each telling takes a pause, so a burst without any is told once or twice.
        Assert.InRange(times, 1, 2 + (int)(burst / NetworkWatch.Pause));

        _ = ticked.WaitOne(0);
        watch.Wake();
        Assert.True(ticked.WaitOne(s_patience));
    });

    private static void Ip(string arguments)
    {
        using Process ip = Process.Start(new ProcessStartInfo("ip", arguments) { UseShellExecute = false })!;
        ip.WaitForExit();
        Assert.True(ip.ExitCode == 0, $"ip {arguments} ended with {ip.ExitCode}");
    }

    private static void InPrivateNetwork(Action body)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            failure = Record.Exception(() =>
            {
                Assert.True(LibC.unshare(Definitions.CLONE_NEWNET) == 0, "this test makes a network namespace: run it as root");
                body();
            });
        });
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromSeconds(60)), "the test body did not end within 60 s");
        Assert.True(failure is null, failure?.ToString());
    }
}
