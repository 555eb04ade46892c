namespace TunnelBox.Control.Tests;

public sealed class StatTextTests
{
    private static StatAnswer Answer(long drops, DateTimeOffset time = default) => new()
    {
        Interface = "wg0",
        Time = time,
        InPackets = 10,
        InBytes = 1000,
        OutPackets = 20 + drops,
        OutBytes = 2000,
        Reasons =
        [
            new StatReason { Name = "InNoStates", Packets = drops, Bytes = drops * 32, Meaning = "Means this.", Remedy = "Do that." },
            new StatReason { Name = "OutNoStates", Meaning = "Means nothing.", Remedy = "Do nothing." },
        ],
        Workers =
        [
            new StatWorker { Name = "tb-worker-0", Inner = "tun", Outer = "udp", Ports = [new StatFlow { Name = "InnerSent", Packets = 3, Bytes = 4 }] },
        ],
    };

    [Fact]
    public void Lines_are_those_of_xfrm_stat()
    {
        string[] lines = StatText.Write(Answer(5)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line => Assert.Matches(@"^\S+ *\t[0-9]+$", line));
        Assert.Equal("InNoStates              \t5", lines[0]);
        Assert.Contains("OutNoStates             \t0", lines);
        Assert.Contains("DroppedPackets          \t5", lines);
        Assert.Contains("DroppedBytes            \t160", lines);
        Assert.Contains("tb-worker-0.InnerSentBytes\t4", lines);
    }

    [Fact]
    public void Only_what_happened_is_explained()
    {
        Assert.Equal("InNoStates              \t5\n    Means this.\n    Do that.\n", StatText.Explain(Answer(5)));
        Assert.Equal("Nothing was dropped.\n", StatText.Explain(Answer(0)));
    }

    [Fact]
    public void Rates_are_of_what_grew()
    {
        string[] lines = StatText.Rates(Answer(5), Answer(10, default(DateTimeOffset).AddSeconds(2))).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("InNoStates              \t10\t2.5/s", lines);
        Assert.Contains("OutPackets              \t30\t2.5/s", lines);
        Assert.DoesNotContain(lines, line => line.StartsWith("InPackets", StringComparison.Ordinal));
    }
}
