namespace TunnelBox.Control.Tests;

/// <summary>Text that grows in UTF-8.</summary>
public sealed class LineTextTests
{
    /// <summary>Everything that can be appended comes out, over several growths of its memory.</summary>
    [Fact]
    public void What_is_appended_comes_out_in_order()
    {
        var text = new LineText();
        var expected = new System.Text.StringBuilder();
        for (int i = 0; i < 500; i++)
        {
            text.Append("µ"u8).Append("ä€😀").Append(ulong.MaxValue - (ulong)i).Append(" "u8).AppendHex((uint)i);
            expected.Append(System.Globalization.CultureInfo.InvariantCulture, $"µä€😀{ulong.MaxValue - (ulong)i} {i:x8}");
        }

        Assert.Equal(expected.ToString(), text.ToString());
        Assert.Equal(System.Text.Encoding.UTF8.GetByteCount(expected.ToString()), text.Length);
        text.Cut(2);
        Assert.Equal("µ", text.ToString());
        text.Cut(0);
        Assert.Equal(string.Empty, text.ToString());
    }
}
