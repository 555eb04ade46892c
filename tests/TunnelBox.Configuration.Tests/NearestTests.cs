namespace TunnelBox.Configuration.Tests;

public sealed class NearestTests
{
    [Theory]
    [InlineData("ListenPrt", "ListenPort")]
    [InlineData("listneport", "ListenPort")]
    [InlineData("AllowedIP", "AllowedIPs")]
    [InlineData("MTUU", "MTU")]
    [InlineData("Zebra", null)]
    [InlineData("", null)]
    public void A_slip_finds_its_word(string text, string? word) =>
        Assert.Equal(word, Nearest.Of(text, ["PrivateKey", "ListenPort", "AllowedIPs", "MTU"]));
}
