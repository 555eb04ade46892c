namespace TunnelBox.Crypto.Tests;

public sealed class SecretTextTests
{
    [Fact]
    public void Text_and_bytes_convert_both_ways()
    {
        SodiumRandom random = new();
        char[] base64 = new char[44], hex = new char[64];
        byte[] key = new byte[32], back = new byte[32];
        for (int i = 0; i < 500; i++)
        {
            random.Fill(key);
            Assert.Equal(44, SecretText.FormatBase64(key, base64));
            Assert.Equal(64, SecretText.FormatHex(key, hex));
            Assert.Equal(Convert.ToBase64String(key), new string(base64));
            Assert.Equal(Convert.ToHexStringLower(key), new string(hex));
            Assert.True(SecretText.TryParseBase64(base64, back));
            Assert.Equal(key, back);
            back.AsSpan().Clear();
            Assert.True(SecretText.TryParseHex(new string(hex).ToUpperInvariant(), back));
            Assert.Equal(key, back);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAÁAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAłAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAA")]
    public void What_is_no_base64_key_is_refused_and_leaves_zeros(string text)
    {
        byte[] key = new byte[32];
        key.AsSpan().Fill(0xAA);
        Assert.False(SecretText.TryParseBase64(text, key));
        Assert.Equal(new byte[32], key);
    }

    [Theory]
    [InlineData("")]
    [InlineData("000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("00000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("000000000000000000000000000000000000000000000000000000000000000g")]
    [InlineData("00000000000000000000000000000000000000000000000 0000000000000000")]
    [InlineData("00000000000000000000000000000000000000000000000İ0000000000000000")]
    public void What_is_no_hexadecimal_key_is_refused_and_leaves_zeros(string text)
    {
        byte[] key = new byte[32];
        key.AsSpan().Fill(0xAA);
        Assert.False(SecretText.TryParseHex(text, key));
        Assert.Equal(new byte[32], key);
    }
}
