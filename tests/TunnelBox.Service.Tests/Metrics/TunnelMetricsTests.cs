using TunnelBox.Service.Metrics;

namespace TunnelBox.Service.Tests.Metrics;

public sealed class TunnelMetricsTests
{
    [Fact]
    public void One_collection_is_of_one_reading_and_a_refresh_reads_anew()
    {
        int readings = 0;
        using TunnelMetrics metrics = new(() => Readings.Two(sent: ++readings));
        Assert.Contains("} 1\n", Sent(PrometheusText.Write(metrics.Meter)), StringComparison.Ordinal);
        Assert.Equal(1, readings);
        metrics.Refresh();
        Assert.Contains("} 2\n", Sent(PrometheusText.Write(metrics.Meter)), StringComparison.Ordinal);
        Assert.Equal(2, readings);
    }

    [Fact]
    public void A_peer_is_in_one_state_and_what_never_happened_is_0()
    {
        using TunnelMetrics metrics = new(() => Readings.Two());
        string[] lines = PrometheusText.Write(metrics.Meter).Split('\n');
        Assert.Equal(2, lines.Count(line => line.StartsWith("tunnelbox_peer_state{", StringComparison.Ordinal) && line.EndsWith(" 1", StringComparison.Ordinal)));
        Assert.Single(lines, line => line.Contains("state=\"active\"", StringComparison.Ordinal) && line.EndsWith(" 1", StringComparison.Ordinal));
        Assert.Single(lines, line => line.StartsWith("tunnelbox_peer_last_received_seconds{", StringComparison.Ordinal) && line.EndsWith("} 1987.5", StringComparison.Ordinal));
        Assert.Single(lines, line => line.StartsWith("tunnelbox_peer_last_received_seconds{", StringComparison.Ordinal) && line.EndsWith("} 0", StringComparison.Ordinal));
        Assert.Single(lines, line => line.StartsWith("tunnelbox_peer_drops_total{", StringComparison.Ordinal));
    }

    private static string Sent(string text) => text.Split("# TYPE wireguard_sent_bytes_total counter\n")[1].Split('#')[0];
}
