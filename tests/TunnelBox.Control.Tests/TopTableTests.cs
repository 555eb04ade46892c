using Spectre.Console;
using TunnelBox.Tunnelctl;

namespace TunnelBox.Control.Tests;

/// <summary>The tables of top from two samples.</summary>
public sealed class TopTableTests
{
    [Fact]
    public void Rates_come_from_two_samples()
    {
        TopTable table = new();
        string first = Draw(table, Sample(time: 10, received: 1_000, sent: 0, drops: 5, age: 1000, asleep: 1000));
        Assert.Contains("office", first, StringComparison.Ordinal);
        Assert.Contains("0 bit/s", first, StringComparison.Ordinal);
        string second = Draw(table, Sample(time: 12, received: 251_000, sent: 2_500, drops: 25, age: 3000, asleep: 2500));
        Assert.Contains("1.0 Mbit/s", second, StringComparison.Ordinal);
        Assert.Contains("▁█", second, StringComparison.Ordinal);
        Assert.Contains("10.0 kbit/s", second, StringComparison.Ordinal);
        Assert.Matches(@"OutNoStates +10 +25", second);
        Assert.Matches(@"tb-worker-0 +25 % +77 µs", second);
        Assert.Contains("1.5 ms", second, StringComparison.Ordinal);
        Assert.Contains("12 s", second, StringComparison.Ordinal);
        Assert.Contains("wg0 up, 1 peers, in 1.0 Mbit/s 125 packets/s", second, StringComparison.Ordinal);
    }

    private static string Draw(TopTable table, TopSample sample)
    {
        var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 140;
        console.Write(table.Next(sample));
        return text.ToString();
    }

    private static TopSample Sample(double time, long received, long sent, long drops, double age, double asleep)
    {
        string key = Convert.ToBase64String(new byte[32]);
        DeviceReport device = Reports.Device() with { PeerCount = 1 };
        var peer = new PeerReport
        {
            PublicKey = key,
            Name = "office",
            State = PeerLiveness.Active,
            Health = PeerHealth.Well,
            LatestHandshake = DateTimeOffset.UtcNow.AddSeconds(-12),
            AllowedIps = [],
            PersistentKeepalive = 0,
            ReceivedBytes = received,
            SentBytes = sent,
            WaitingPackets = 0,
        };
        var stat = new StatAnswer
        {
            Interface = "wg0",
            InBytes = received,
            InPackets = received / 1000,
            Reasons = [new StatReason { Name = "OutNoStates", Packets = drops, Meaning = "m", Remedy = "r" }],
            Workers = [],
        };
        var load = new LoadAnswer
        {
            Workers = [new WorkerLoad { Name = "tb-worker-0", AgeMilliseconds = age, AsleepMilliseconds = asleep, LongestPassMicroseconds = 77 }],
            RoundTrips = [new PeerRoundTrip(key, 1.5)],
        };
        return new TopSample(new InterfaceReport(device, [peer]), stat, load, time);
    }
}
