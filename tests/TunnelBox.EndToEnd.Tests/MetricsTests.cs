using System.Globalization;
using System.Net.Sockets;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Metrics of a running tunnel, and settings that only a running daemon shows.</summary>
[Trait("Load", "light")]
public class MetricsTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Fact]
    public async Task Metrics_at_the_interfaces_socket_say_what_show_says()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Settings = new Dictionary<string, string?> { ["TUNNELBOX__METRICS"] = "socket" } });
        await pair.ExpectPingsAsync();
        await pair.First.Space.IpAsync($"route add 10.99.0.0/24 dev {pair.First.Interface}");
        await pair.First.Space.TryAsync(["ping", "-c", "3", "-i", "0.2", "-W", "1", "10.99.0.1"]);

        string socket = $"/run/tunnelbox/{pair.First.Interface}.metrics";
        WgPeer before = await pair.First.PeerAsync(pair.Second);
        string text = await ScrapeAsync(socket);
        WgPeer after = await pair.First.PeerAsync(pair.Second);
        Assert.InRange(Value(text, "wireguard_sent_bytes_total{"), before.Sent, after.Sent);
        Assert.InRange(Value(text, "wireguard_received_bytes_total{"), before.Received, after.Received);
        Assert.InRange(Value(text, "wireguard_latest_handshake_seconds{"), DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 120, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        Assert.InRange(Value(text, $"tunnelbox_drops_total{{interface=\"{pair.First.Interface}\",reason=\"OutNoStates\"}}"), 3, 30);
        Assert.Equal(1420, Value(text, "tunnelbox_mtu_bytes{"));
        Assert.DoesNotContain(pair.First.Keys.Private, text, StringComparison.Ordinal);

        CommandResult checkedBy = await pair.First.Space.TryAsync(["promtool", "check", "metrics"], environment: null, text);
        Assert.True(checkedBy.ExitCode == 0, checkedBy.Error + checkedBy.Output);

        await pair.First.Daemon.SignalAsync("TERM");
        await pair.First.Daemon.WaitAsync(Lab.Deadline);
        Assert.False(File.Exists(socket));
    }

    [Fact]
    public async Task A_metrics_address_that_is_taken_costs_the_metrics_and_not_the_tunnel()
    {
        // Both ends are told the same path, below a file, where no directory can be made.
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Settings = new Dictionary<string, string?> { ["TUNNELBOX__METRICS"] = "/proc/version/x.sock" } });
        await pair.ExpectPingsAsync();
        Assert.Contains("metrics cannot be served at /proc/version/x.sock", pair.First.Daemon.Error + pair.First.Daemon.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_offloads_datagrams_pass_one_by_one_and_status_says_why()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Settings = new Dictionary<string, string?> { ["TUNNELBOX__UDPOFFLOAD"] = "false", ["TUNNELBOX__PINWORKERS"] = "true" } });
        await pair.ExpectPingsAsync();
        string status = (await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "status", pair.First.Interface])).Expect().Output;
        Assert.Contains("UdpOffload is false", status, StringComparison.Ordinal);

        // The worker keeps to one processor, where there is another one for the rest.
        string worker = Directory.GetDirectories($"/proc/{pair.First.Daemon.Id}/task").Single(task => File.ReadAllText(task + "/comm").Trim() == "tb-worker-0");
        string allowed = File.ReadAllLines(worker + "/status").Single(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal)).Split('\t')[1];
        Assert.Equal(Environment.ProcessorCount > 1, int.TryParse(allowed, CultureInfo.InvariantCulture, out _));
    }

    private static double Value(string text, string begins) => double.Parse(
        text.Split('\n').Single(line => line.StartsWith(begins, StringComparison.Ordinal)).Split(' ')[^1], CultureInfo.InvariantCulture);

    private static async Task<string> ScrapeAsync(string path)
    {
        using HttpClient client = new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        return await client.GetStringAsync(new Uri("http://tunnel/metrics"));
    }
}
