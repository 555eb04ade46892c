namespace TunnelBox.Configuration;

/// <summary>
/// Reads and writes 32-byte keys as text without branches or look-ups that depend on the key: hexadecimal as the UAPI has
/// it, base64 (RFC 4648, section 4) as wg files have it. Secrets go through here; a failed read leaves zeros.
/// </summary>
public static class KeyText
{
    /// <summary>Bytes of a key.</summary>
    public const int KeySize = 32;

    /// <summary>Characters of a key in hexadecimal.</summary>
    public const int HexSize = 64;

    /// <summary>Characters of a key in base64, the closing '=' included.</summary>
    public const int Base64Size = 44;

    /// <summary>Reads 64 hexadecimal digits of either case.</summary>
    /// <param name="text">The digits in ASCII.</param>
    /// <param name="key">Receives 32 bytes, zeros when the answer is false.</param>
    /// <returns>Whether the text was a key.</returns>
    public static bool TryFromHex(ReadOnlySpan<byte> text, Span<byte> key)
    {
        key = key[..KeySize];
        if (text.Length != HexSize)
        {
            key.Clear();
            return false;
        }

        int bad = 0;
        for (int i = 0; i < KeySize; i++)
        {
            int high = HexValue(text[2 * i], ref bad);
            int low = HexValue(text[(2 * i) + 1], ref bad);
            key[i] = (byte)((high << 4) | low);
        }

        return Finish(key, bad);
    }

    /// <summary>Writes 64 lower-case hexadecimal digits.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="text">Receives 64 ASCII characters.</param>
    public static void ToHex(ReadOnlySpan<byte> key, Span<byte> text)
    {
        text = text[..HexSize];
        for (int i = 0; i < KeySize; i++)
        {
            text[2 * i] = HexDigit(key[i] >> 4);
            text[(2 * i) + 1] = HexDigit(key[i] & 15);
        }
    }

    /// <summary>Reads 44 characters of base64; only the canonical spelling is a key.</summary>
    /// <param name="text">The characters in ASCII.</param>
    /// <param name="key">Receives 32 bytes, zeros when the answer is false.</param>
    /// <returns>Whether the text was a key.</returns>
    public static bool TryFromBase64(ReadOnlySpan<byte> text, Span<byte> key)
    {
        key = key[..KeySize];
        if (text.Length != Base64Size || text[^1] != (byte)'=')
        {
            key.Clear();
            return false;
        }

        int bad = 0;
        int from = 0;
        for (int to = 0; to < 30; to += 3, from += 4)
        {
            int bits = (Base64Value(text[from], ref bad) << 18) | (Base64Value(text[from + 1], ref bad) << 12)
                | (Base64Value(text[from + 2], ref bad) << 6) | Base64Value(text[from + 3], ref bad);
            key[to] = (byte)(bits >> 16);
            key[to + 1] = (byte)(bits >> 8);
            key[to + 2] = (byte)bits;
        }

        int last = (Base64Value(text[from], ref bad) << 12) | (Base64Value(text[from + 1], ref bad) << 6) | Base64Value(text[from + 2], ref bad);
        key[30] = (byte)(last >> 10);
        key[31] = (byte)(last >> 2);
        // The two bits that no byte carries must be zero, or two texts would name one key.
        bad |= -(last & 3);
        return Finish(key, bad);
    }

    /// <summary>Writes 44 characters of base64.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="text">Receives 44 ASCII characters.</param>
    public static void ToBase64(ReadOnlySpan<byte> key, Span<byte> text)
    {
        text = text[..Base64Size];
        int to = 0;
        for (int from = 0; from < 30; from += 3, to += 4)
        {
            int bits = (key[from] << 16) | (key[from + 1] << 8) | key[from + 2];
            text[to] = Base64Digit(bits >> 18);
            text[to + 1] = Base64Digit((bits >> 12) & 63);
            text[to + 2] = Base64Digit((bits >> 6) & 63);
            text[to + 3] = Base64Digit(bits & 63);
        }

        int last = (key[30] << 10) | (key[31] << 2);
        text[to] = Base64Digit(last >> 12);
        text[to + 1] = Base64Digit((last >> 6) & 63);
        text[to + 2] = Base64Digit(last & 63);
        text[to + 3] = (byte)'=';
    }

    /// <summary>Tells whether 32 bytes are all zero, in time that does not depend on them.</summary>
    /// <param name="key">The bytes.</param>
    /// <returns>Whether all are zero.</returns>
    public static bool IsZero(ReadOnlySpan<byte> key)
    {
        int all = 0;
        foreach (byte b in key)
        {
            all |= b;
        }

        return all == 0;
    }

    private static bool Finish(Span<byte> key, int bad)
    {
        if (bad == 0)
        {
            return true;
        }

        key.Clear();
        return false;
    }

    /// <summary>All ones where <paramref name="c"/> lies outside the range, otherwise zero.</summary>
    private static int Outside(int c, int low, int high) => ((c - low) | (high - c)) >> 31;

    private static int HexValue(int c, ref int bad)
    {
        int digit = Outside(c, '0', '9');
        int letter = Outside(c | 32, 'a', 'f');
        bad |= digit & letter;
        return (~digit & (c - '0')) | (~letter & ((c | 32) - 'a' + 10));
    }

    private static byte HexDigit(int value) => (byte)(value + '0' + (((9 - value) >> 31) & ('a' - '0' - 10)));

    private static int Base64Value(int c, ref int bad)
    {
        int upper = Outside(c, 'A', 'Z');
        int lower = Outside(c, 'a', 'z');
        int digit = Outside(c, '0', '9');
        int plus = Outside(c, '+', '+');
        int slash = Outside(c, '/', '/');
        bad |= upper & lower & digit & plus & slash;
        return (~upper & (c - 'A')) | (~lower & (c - 'a' + 26)) | (~digit & (c - '0' + 52)) | (~plus & 62) | (~slash & 63);
    }

    private static byte Base64Digit(int value)
    {
        int c = value + 'A';
        c += ((25 - value) >> 31) & ('a' - 'A' - 26);
        c += ((51 - value) >> 31) & ('0' - 'a' - 26);
        c += ((61 - value) >> 31) & ('+' - '0' - 10);
        c += ((62 - value) >> 31) & ('/' - '+' - 1);
        return (byte)c;
    }
}
