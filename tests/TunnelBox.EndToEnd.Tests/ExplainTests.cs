using System.Text.Json;
using TunnelBox.Control.Tests;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary><c>tunnelctl explain</c>: what a packet would use, and each reason why it would fail, made for real.</summary>
[Trait("Load", "light")]
public class ExplainTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private readonly ITestOutputHelper _output = output;

    [Theory]
    [InlineData(TunnelPair.Second4, TunnelPair.Second4 + "/32", TunnelPair.First4)]
    [InlineData(TunnelPair.Second6, TunnelPair.Second6 + "/128", TunnelPair.First6)]
    public async Task A_packet_that_passes_is_followed_from_route_to_device(string address, string prefix, string source)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        JsonElement to = await ExplainAsync(pair.First, 0, address);
        Assert.Equal(pair.Second.Keys.Public, to.GetProperty("peer").GetString());
        Assert.Equal(prefix, to.GetProperty("prefix").GetString());
        Assert.Equal((pair.First.Interface, source, 1420), Route(to, "route"));
        Assert.Equal((pair.FirstLink, TunnelPair.FirstOuter4, 1500), Route(to, "endpointRoute"));
        Assert.Equal(pair.SecondEndpoint, to.GetProperty("endpoint").GetString());
        Assert.Equal("well", to.GetProperty("health").GetString());
        Assert.InRange(to.GetProperty("session").GetProperty("age").GetDouble(), 0, 60);
        Assert.InRange(to.GetProperty("session").GetProperty("sentPackets").GetInt64(), 4, 100);
        Assert.Equal((0, 1420), (to.GetProperty("queue").GetInt32(), to.GetProperty("mtu").GetInt32()));
        Assert.Equal("from", (await ExplainAsync(pair.First, 0, address, "--from")).GetProperty("direction").GetString());

        string text = (await pair.First.Space.RunAsync(TunnelProgram.Tunnelctl, "explain", address, pair.First.Interface)).Output;
        _output.WriteLine(text);
        Assert.EndsWith("It would pass.\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_reason_to_fail_is_named()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        TunnelEnd first = pair.First;
        await first.Inner.IpAsync($"route add 10.99.0.0/16 dev {first.Interface}");
        Assert.Equal(["OutNoStates"], await FaultsAsync(first, "10.99.0.1"));
        Assert.Equal(["InTmplMismatch"], await FaultsAsync(first, "10.99.0.1", "--from"));
        Assert.Equal(["no-route", "OutNoStates"], await FaultsAsync(first, "10.98.0.1"));
        Assert.Equal(["no-route", "OutNoStates"], await FaultsAsync(first, TunnelPair.First4));

        await first.Space.IpAsync($"route add default via {TunnelPair.SecondOuter4}");
        await first.SetPeerAsync(pair.Second, $"allowed-ips {TunnelPair.Second4}/32,10.97.0.0/16");
        await first.Space.SysctlAsync("net.ipv4.conf.all.rp_filter=0");
        await first.Space.SysctlAsync($"net.ipv4.conf.{first.Interface}.rp_filter=1");
        Assert.Equal(["no-route", "rp-filter"], await FaultsAsync(first, "10.97.0.1", "--from"));

        await first.Inner.IpAsync($"route add {TunnelPair.SecondOuter4}/32 dev {first.Interface}");
        Assert.Equal(["OutRoutingLoop"], await FaultsAsync(first, TunnelPair.Second4));
        await first.Inner.IpAsync($"route del {TunnelPair.SecondOuter4}/32 dev {first.Interface}");
        await first.Inner.IpAsync("route add unreachable 10.77.0.2/32");
        Assert.Equal(["OutNoRoute"], await FaultsAsync(first, TunnelPair.Second4));

        string stranger = (await TunnelKeys.MakeAsync(Lab.Deadline)).Public;
        await first.SetAsync($"peer {stranger} allowed-ips 10.99.1.0/24");
        Assert.Equal(["OutNoEndpoint"], await FaultsAsync(first, "10.99.1.1"));
        await first.Inner.IpAsync($"link set {first.Interface} down");
        Assert.Contains("OutInterfaceDown", await FaultsAsync(first, TunnelPair.Second4));
    }

    [Fact]
    public async Task A_peer_that_does_not_answer_is_a_reason()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.Second.Space.IpAsync($"link set {pair.SecondLink} down");
        await pair.First.Space.StartAsync(["ping", "-i", "0.5", TunnelPair.Second4]);
        await Eventually.TrueAsync(
            async () => (await FaultsAsync(pair.First, TunnelPair.Second4)).Contains("OutHandshakeNoAnswer"), static () => "the silent peer is no reason", Lab.Deadline);
    }

    [Theory]
    [InlineData("nowhere")]
    [InlineData("10.1")]
    [InlineData("--form")]
    public async Task What_is_no_address_is_said_in_one_sentence(string word)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        CommandResult result = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "explain", word, pair.First.Interface]);
        Assert.Equal(2, result.ExitCode);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
    }

    private static (string? Device, string? Source, int Mtu) Route(JsonElement report, string name)
    {
        JsonElement route = report.GetProperty(name);
        return (route.GetProperty("device").GetString(), route.GetProperty("source").GetString(), route.GetProperty("mtu").GetInt32());
    }

    private static async Task<string[]> FaultsAsync(TunnelEnd end, params string[] words) =>
        [.. (await ExplainAsync(end, null, words)).GetProperty("faults").EnumerateArray().Select(fault => fault.GetProperty("reason").GetString()!)];

    private static async Task<JsonElement> ExplainAsync(TunnelEnd end, int? code, params string[] words)
    {
        CommandResult result = await end.Inner.TryAsync([TunnelProgram.Tunnelctl, "explain", "--json", .. words, end.Interface]);
        Assert.True(result.ExitCode == (code ?? result.ExitCode) && result.ExitCode is 0 or 1, result.Output + result.Error);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        Assert.Empty(JsonSchema.Load("explain").Faults(document.RootElement));
        Assert.Equal(result.ExitCode == 0, document.RootElement.GetProperty("faults").GetArrayLength() == 0);
        return document.RootElement.Clone();
    }
}
