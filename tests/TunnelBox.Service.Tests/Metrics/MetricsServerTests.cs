using System.Net;
using System.Net.Sockets;
using TunnelBox.Configuration;
using TunnelBox.Service.Metrics;

namespace TunnelBox.Service.Tests.Metrics;

public sealed class MetricsServerTests
{
    [Fact]
    public async Task Metrics_are_served_at_an_address_and_nothing_else_is()
    {
        using TunnelMetrics metrics = new(() => Readings.Two());
        IPEndPoint address = Free();
        using MetricsServer server = MetricsServer.Start(new MetricsAddress(address), metrics);
        using HttpClient client = new() { BaseAddress = new Uri($"http://{address}") };
        using HttpResponseMessage answer = await client.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(PrometheusText.ContentType, answer.Content.Headers.ContentType!.ToString());
        Assert.Contains("wireguard_sent_bytes_total{", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/")).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await client.PostAsync("/metrics", null)).StatusCode);
    }

    [Fact]
    public async Task A_socket_of_roots_own_serves_them_too_and_leaves_with_the_server()
    {
        string folder = Directory.CreateTempSubdirectory("tbmetrics").FullName;
        string path = Path.Combine(folder, "run", "wg0.metrics");
        try
        {
            using TunnelMetrics metrics = new(() => Readings.Two());
            MetricsAddress address = MetricsAddress.Of(new TunnelBoxSettings { Metrics = SettingDefinition.MetricsSocket, RuntimeDirectory = Path.GetDirectoryName(path)! }, "wg0")!;
            Assert.Equal(path, address.ToString());
            // One that a killed daemon left is no hindrance.
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, string.Empty);
            using (MetricsServer server = MetricsServer.Start(address, metrics))
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
                using HttpClient client = new(new SocketsHttpHandler
                {
                    ConnectCallback = async (_, cancel) =>
                    {
                        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                        await socket.ConnectAsync(address.EndPoint, cancel);
                        return new NetworkStream(socket, ownsSocket: true);
                    },
                });
                Assert.Contains("tunnelbox_info{", await client.GetStringAsync(new Uri("http://tunnel/metrics")), StringComparison.Ordinal);
            }

            Assert.False(File.Exists(path));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void An_address_that_is_taken_is_refused_in_one_sentence()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        using TunnelMetrics metrics = new(() => Readings.Two());
        StartException refused = Assert.Throws<StartException>(() => MetricsServer.Start(new MetricsAddress(taken.LocalEndpoint), metrics));
        Assert.Contains($"metrics cannot be served at {taken.LocalEndpoint}", refused.Message, StringComparison.Ordinal);
        Assert.Contains("tunnelbox.json", refused.Message, StringComparison.Ordinal);
    }

    internal static IPEndPoint Free()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return (IPEndPoint)listener.LocalEndpoint;
    }
}
