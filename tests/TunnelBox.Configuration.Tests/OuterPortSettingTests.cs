namespace TunnelBox.Configuration.Tests;

public sealed class OuterPortSettingTests
{
    [Theory]
    [InlineData("auto", null, false)]
    [InlineData("udp", null, false)]
    [InlineData("auto:eth0", "eth0", false)]
    [InlineData("xdp:eth0.5", "eth0.5", true)]
    [InlineData("xdp:fifteen-letters", "fifteen-letters", true)]
    public void What_is_allowed_is_read(string text, string? device, bool forced) =>
        Assert.Equal(new OuterPortSetting(device, forced), OuterPortSetting.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("xdp")]
    [InlineData("xdp:")]
    [InlineData("udp:eth0")]
    [InlineData(":eth0")]
    [InlineData("xdp:sixteen-letters-")]
    [InlineData("xdp:a/b")]
    [InlineData("xdp:a b")]
    [InlineData("xdp:a:b")]
    [InlineData("xdp:..")]
    [InlineData("XDP:eth0")]
    public void Anything_else_is_not(string text) => Assert.Null(OuterPortSetting.Parse(text));
}
