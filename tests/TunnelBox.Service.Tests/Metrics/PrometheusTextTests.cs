using System.Diagnostics;
using System.Text.RegularExpressions;
using TunnelBox.Service.Metrics;

namespace TunnelBox.Service.Tests.Metrics;

public sealed class PrometheusTextTests
{
    [Theory]
    [InlineData("""wireguard_sent_bytes_total{interface="wg0",public_key="7ArP7WbQiBePNm6Es3tLsveBh+L7FJxED4OlOAuIeTg=",friendly_name="the \"big\" office\\\nmain"} 1000""")]
    [InlineData("""wireguard_received_bytes_total{interface="wg0",public_key="TeMyWgtMvc6EDx+6Qoi7hsq4fhW5gmHXKKKLURcJUEE=",friendly_name=""} 856""")]
    [InlineData("""wireguard_latest_handshake_seconds{interface="wg0",public_key="TeMyWgtMvc6EDx+6Qoi7hsq4fhW5gmHXKKKLURcJUEE=",friendly_name=""} 0""")]
    [InlineData("""tunnelbox_drops_total{interface="wg0",reason="OutNoStates"} 7""")]
    [InlineData("""tunnelbox_port_packets_total{interface="wg0",worker="tb-worker-0",port="inner",direction="received"} 5""")]
    [InlineData("""tunnelbox_longest_pass_seconds{interface="wg0"} 0.0015""")]
    [InlineData("""tunnelbox_info{interface="wg0",public_key="TeMyWgtMvc6EDx+6Qoi7hsq4fhW5gmHXKKKLURcJUEE=",inner_port="tun",outer_port="udp",aead="vector512"} 1""")]
    [InlineData("# TYPE wireguard_sent_bytes_total counter")]
    [InlineData("# TYPE wireguard_latest_handshake_seconds gauge")]
    public void A_line_is_as_dashboards_know_it(string line)
    {
        using TunnelMetrics metrics = new(() => Readings.Two());
        Assert.Contains(line + "\n", PrometheusText.Write(metrics.Meter), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_sample_has_help_and_type_before_it_and_a_label_set_of_its_own()
    {
        using TunnelMetrics metrics = new(() => Readings.Two());
        HashSet<string> typed = [];
        HashSet<string> samples = [];
        foreach (string line in PrometheusText.Write(metrics.Meter).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                Assert.True(typed.Add(line.Split(' ')[2]), line);
            }
            else if (line[0] != '#')
            {
                Match match = Regex.Match(line, "^(?<name>[a-z_]+)(?<labels>{.*})? [0-9.e+-]+$", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5));
                Assert.True(match.Success, line);
                Assert.Contains(match.Groups["name"].Value, typed);
                Assert.True(samples.Add(match.Groups["name"].Value + match.Groups["labels"].Value), line);
            }
        }

        Assert.True(samples.Count > 25);
    }

    [Fact]
    public void Promtool_finds_no_fault()
    {
        using TunnelMetrics metrics = new(() => Readings.Two());
        Assert.Equal((0, string.Empty), Check(PrometheusText.Write(metrics.Meter)));
        // The check itself can fail.
        Assert.NotEqual(0, Check("wireguard_sent_bytes_total{a=\"b} 1\n").Code);
    }

    [Fact]
    public void The_dashboard_asks_only_for_metrics_that_there_are()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "TunnelBox.sln")))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        using TunnelMetrics metrics = new(() => Readings.Two());
        string text = PrometheusText.Write(metrics.Meter);
        MatchCollection asked = Regex.Matches(
            File.ReadAllText(Path.Combine(folder, "configs/grafana/tunnelbox.json")), "(tunnelbox|wireguard)_[a-z_]+", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5));
        Assert.True(asked.Count > 10);
        Assert.All(asked.Select(match => match.Value).Distinct(StringComparer.Ordinal), name => Assert.Contains($"# TYPE {name} ", text, StringComparison.Ordinal));
    }

    private static (int Code, string Said) Check(string text)
    {
        ProcessStartInfo start = new("promtool", ["check", "metrics"]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        process.StandardInput.Write(text);
        process.StandardInput.Close();
        string said = process.StandardError.ReadToEnd() + process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(30_000));
        return (process.ExitCode, said);
    }
}
