using System.Text;

namespace TunnelBox.Configuration.Tests;

public sealed class KeyTextTests
{
    [Fact]
    public void Texts_are_those_of_the_framework_and_read_back()
    {
        Random random = new(7);
        byte[] key = new byte[32];
        byte[] back = new byte[32];
        byte[] hex = new byte[64];
        byte[] base64 = new byte[44];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(key);
            KeyText.ToHex(key, hex);
            KeyText.ToBase64(key, base64);
            Assert.Equal(Convert.ToHexStringLower(key), Encoding.ASCII.GetString(hex));
            Assert.Equal(Convert.ToBase64String(key), Encoding.ASCII.GetString(base64));
            Assert.True(KeyText.TryFromHex(hex, back));
            Assert.Equal(key, back);
            Assert.True(KeyText.TryFromBase64(base64, back));
            Assert.Equal(key, back);
        }
    }

    [Fact]
    public void Every_byte_at_every_place_is_judged_as_the_framework_judges_it()
    {
        byte[] key = new byte[32];
        for (int c = 0; c < 256; c++)
        {
            for (int at = 0; at < 44; at++)
            {
                byte[] text = Encoding.ASCII.GetBytes("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
                text[at] = (byte)c;
                bool letter = char.IsAsciiLetterOrDigit((char)c) || c is '+' or '/';
                // The last letter carries four bits, the place after it is always '='.
                bool right = at == 43 ? c == '=' : at == 42 ? letter && "AEIMQUYcgkosw048".Contains((char)c) : letter;
                Assert.Equal(right, KeyText.TryFromBase64(text, key));
                Assert.Equal(right, !KeyText.IsZero(key));
            }

            byte[] hex = Encoding.ASCII.GetBytes(new string('5', 64));
            hex[17] = (byte)c;
            Assert.Equal(char.IsAsciiHexDigit((char)c), KeyText.TryFromHex(hex, key));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(43)]
    [InlineData(45)]
    [InlineData(63)]
    [InlineData(65)]
    public void A_wrong_length_is_no_key(int length)
    {
        byte[] key = [.. Enumerable.Repeat((byte)1, 32)];
        byte[] text = [.. Enumerable.Repeat((byte)'A', length)];
        Assert.False(KeyText.TryFromBase64(text, key));
        Assert.False(KeyText.TryFromHex(text, key));
        Assert.True(KeyText.IsZero(key));
    }
}
