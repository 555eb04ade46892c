namespace TunnelBox.Configuration.Tests;

public sealed class InnerPortSettingTests
{
    [Theory]
    [InlineData("tun", null)]
    [InlineData("xdp:eth1", "eth1")]
    [InlineData("xdp:fifteen-letters", "fifteen-letters")]
    public void Tun_and_a_device_are_read(string text, string? device) => Assert.Equal(device, InnerPortSetting.Parse(text)!.Device);

    [Theory]
    [InlineData("")]
    [InlineData("auto")]
    [InlineData("udp")]
    [InlineData("xdp")]
    [InlineData("xdp:")]
    [InlineData("tun:eth1")]
    [InlineData("xdp:sixteen-letters-")]
    [InlineData("xdp:a/b")]
    [InlineData("xdp:..")]
    public void Anything_else_is_not(string text) => Assert.Null(InnerPortSetting.Parse(text));
}
