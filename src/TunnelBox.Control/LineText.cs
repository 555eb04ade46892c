using System.Buffers.Text;
using System.Text;

namespace TunnelBox.Control;

/// <summary>
/// Text in UTF-8 that grows, and is written out and emptied again without giving its memory back: what prints a hundred thousand lines a second
/// shares the processor with the packets it tells of.
/// </summary>
public sealed class LineText
{
    private byte[] _bytes = new byte[1024];

    /// <summary>Gets the bytes so far.</summary>
    public int Length { get; private set; }

    /// <summary>Gets the text so far, valid until more is appended.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Length);

    /// <summary>Appends text.</summary>
    /// <param name="text">It, in UTF-8.</param>
    /// <returns>This.</returns>
    public LineText Append(ReadOnlySpan<byte> text)
    {
        text.CopyTo(Room(text.Length));
        Length += text.Length;
        return this;
    }

    /// <summary>Appends text.</summary>
    /// <param name="text">It.</param>
    /// <returns>This.</returns>
    public LineText Append(ReadOnlySpan<char> text)
    {
        Length += Encoding.UTF8.GetBytes(text, Room(text.Length * 3));
        return this;
    }

    /// <summary>Appends a number in decimal.</summary>
    /// <param name="number">It.</param>
    /// <returns>This.</returns>
    public LineText Append(ulong number)
    {
        _ = Utf8Formatter.TryFormat(number, Room(20), out int written);
        Length += written;
        return this;
    }

    /// <summary>Appends a number in hexadecimal, eight digits.</summary>
    /// <param name="number">It.</param>
    /// <returns>This.</returns>
    public LineText AppendHex(uint number)
    {
        _ = Utf8Formatter.TryFormat(number, Room(8), out int written, new System.Buffers.StandardFormat('x', 8));
        Length += written;
        return this;
    }

    /// <summary>Takes the end off.</summary>
    /// <param name="length">The bytes that stay.</param>
    public void Cut(int length) => Length = Math.Clamp(length, 0, Length);

    /// <inheritdoc/>
    public override string ToString() => Encoding.UTF8.GetString(Bytes);

    private Span<byte> Room(int bytes)
    {
        if (_bytes.Length - Length < bytes)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + bytes));
        }

        return _bytes.AsSpan(Length);
    }
}
