using System.Net;
using System.Text;
using TunnelBox.Service.Metrics;

namespace TunnelBox.Service.Tests.Metrics;

public sealed class OtlpExportTests
{
    [Fact]
    public async Task What_is_measured_reaches_a_collector()
    {
        IPEndPoint address = MetricsServerTests.Free();
        using HttpListener collector = new();
        collector.Prefixes.Add($"http://{address}/");
        collector.Start();
        using TunnelMetrics metrics = new(() => Readings.Two());
        using OtlpExport export = new(new Uri($"http://{address}"), "wg0");
        Task<HttpListenerContext> asked = collector.GetContextAsync();
        // Disposing sends what is there.
        Task end = Task.Run(export.Dispose);
        HttpListenerContext context = await asked.WaitAsync(TimeSpan.FromSeconds(30));
        using MemoryStream body = new();
        await context.Request.InputStream.CopyToAsync(body);
        context.Response.StatusCode = 200;
        context.Response.Close();
        await end.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("/v1/metrics", context.Request.Url!.AbsolutePath);
        Assert.Equal("application/x-protobuf", context.Request.ContentType);
        string text = Encoding.Latin1.GetString(body.ToArray());
        foreach (string expected in (string[])["wireguard.sent.bytes", "tunnelbox.drops", "service.name", "tunnelbox", "wg0", Readings.FirstKey])
        {
            Assert.Contains(expected, text, StringComparison.Ordinal);
        }
    }
}
