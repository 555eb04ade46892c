using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Service.Metrics;
using TunnelBox.Service.Tests.Metrics;

namespace TunnelBox.Service.Tests;

public sealed class ProbesTests
{
    [Fact]
    public async Task Each_question_is_a_path_and_its_answer_a_status()
    {
        IPEndPoint address = MetricsServerTests.Free();
        Probes probes = new();
        using MetricsServer server = MetricsServer.Start(new MetricsAddress(address), null, probes);
        using HttpClient client = new() { BaseAddress = new Uri($"http://{address}") };
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await Get(client, "/livez"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "the tunnel is not set up yet\n"), await Get(client, "/startupz"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "the tunnel is not set up yet\n"), await Get(client, "/readyz"));
        probes.Started = static () => null;
        probes.Ready = static () => "none of 1 required peers was heard within 180 s";
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await Get(client, "/startupz"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "none of 1 required peers was heard within 180 s\n"), await Get(client, "/readyz"));
        // A remote that is silent is no reason to restart.
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await Get(client, "/livez"));
        Assert.Equal(HttpStatusCode.NotFound, (await Get(client, "/metrics")).Status);
        using HttpRequestMessage head = new(HttpMethod.Head, "/livez");
        Assert.Equal(HttpStatusCode.OK, (await client.SendAsync(head)).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await client.PostAsync("/livez", null)).StatusCode);
    }

    [Fact]
    public void The_program_asks_at_a_socket_as_well()
    {
        string folder = Directory.CreateTempSubdirectory("tbprobe").FullName;
        try
        {
            MetricsAddress address = MetricsAddress.OfHealth(new TunnelBoxSettings { Health = "socket", RuntimeDirectory = folder }, "wg0")!;
            Assert.Equal(Path.Combine(folder, "wg0.health"), address.ToString());
            Assert.False(Probes.TryAsk(address, "livez", out string answer));
            Assert.StartsWith("no daemon answers at ", answer, StringComparison.Ordinal);
            using MetricsServer server = MetricsServer.Start(address, null, new Probes());
            Assert.True(Probes.TryAsk(address, "livez", out answer));
            Assert.Equal("ok", answer);
            Assert.False(Probes.TryAsk(address, "readyz", out answer));
            Assert.Equal("the tunnel is not set up yet", answer);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(HttpStatusCode Status, string Text)> Get(HttpClient client, string path)
    {
        using HttpResponseMessage answer = await client.GetAsync(path);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
