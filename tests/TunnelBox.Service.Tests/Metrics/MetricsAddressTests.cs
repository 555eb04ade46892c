using TunnelBox.Configuration;
using TunnelBox.Service.Metrics;

namespace TunnelBox.Service.Tests.Metrics;

public sealed class MetricsAddressTests
{
    [Theory]
    [InlineData("off", null)]
    [InlineData("127.0.0.1:9586", "127.0.0.1:9586")]
    [InlineData("[::1]:9586", "[::1]:9586")]
    [InlineData("/run/other.sock", "/run/other.sock")]
    [InlineData("socket", "/run/tunnelbox/wg0.metrics")]
    public void A_setting_becomes_an_address(string text, string? address)
    {
        TunnelBoxSettings settings = SettingDefinition.Find("Metrics")!.Set(new TunnelBoxSettings(), text)!;
        Assert.Equal(address, MetricsAddress.Of(settings, "wg0")?.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("on")]
    [InlineData("9586")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:0")]
    [InlineData("::1")]
    [InlineData("localhost:9586")]
    [InlineData("relative/socket")]
    public void What_is_no_address_is_refused(string text) => Assert.Null(SettingDefinition.Find("Metrics")!.Set(new TunnelBoxSettings(), text));

    [Theory]
    [InlineData("http://127.0.0.1:4318", true)]
    [InlineData("https://collector.example.org/v1/metrics", true)]
    [InlineData("off", true)]
    [InlineData("127.0.0.1:4318", false)]
    [InlineData("ftp://127.0.0.1", false)]
    [InlineData("http://user:secret@127.0.0.1", false)]
    public void A_collector_is_a_web_address_without_secrets(string text, bool allowed) =>
        Assert.Equal(allowed, SettingDefinition.Find("Otlp")!.Set(new TunnelBoxSettings(), text) is not null);
}
