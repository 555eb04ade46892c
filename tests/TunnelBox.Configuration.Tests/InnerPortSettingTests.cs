namespace TunnelBox.Configuration.Tests;

public sealed class InnerPortSettingTests
{
    [Theory]
    [InlineData("tun", null, false)]
    [InlineData("auto:eth1", "eth1", false)]
    [InlineData("xdp:eth1", "eth1", true)]
    [InlineData("xdp:fifteen-letters", "fifteen-letters", true)]
    public void What_is_allowed_is_read(string text, string? device, bool forced) =>
        Assert.Equal(new InnerPortSetting(device, forced), InnerPortSetting.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("auto")]
    [InlineData("auto:")]
    [InlineData("udp")]
    [InlineData("xdp")]
    [InlineData("xdp:")]
    [InlineData("tun:eth1")]
    [InlineData("xdp:sixteen-letters-")]
    [InlineData("xdp:a/b")]
    [InlineData("auto:a:b")]
    [InlineData("xdp:..")]
    public void Anything_else_is_not(string text) => Assert.Null(InnerPortSetting.Parse(text));
}
