using System.Text;

namespace TunnelBox.Control.Tests;

/// <summary>Makes wrong input out of right input, always the same for the same seed: whole lines, keys, values and bytes change.</summary>
/// <param name="seed">The seed.</param>
/// <param name="separator">What parts the input's items: lines or words.</param>
internal sealed class Mutator(int seed, byte separator)
{
    private static readonly byte[][] Pieces = [.. ((string[])
    [
        "", "=", "==", "#", "# name=", "[", "]", "[Peer]", "[Interface]", ",", ":", "/", "%", "+", "-", "-1", "0", "00", "1", "32", "33", "128", "129", "65535", "65536",
        "4294967295", "4294967296", "18446744073709551615", "18446744073709551616", "99999999999999999999999", "0x", "0xffffffff", "off", "true", "auto",
        "::", "::1", "[::1]:1", "[fe80::1%1]:1", "[fe80::1%4294967296]:1", "::/0", "0.0.0.0/0", "1.2.3.4", "1.2.3", "256.1.1.1", "10.0.0.1/33", "a.example:1", "é\u2028",
        "\0", "\r", "\t", " ", "\n", "\uFEFF", "public_key=", "errno=0", "set=1", "AllowedIPs = ", "PrivateKey=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", new string('a', 5000),
    ]).Select(Encoding.UTF8.GetBytes)];

    private readonly Random _random = new(seed);

    /// <summary>Makes one wrong input.</summary>
    /// <param name="corpus">Right inputs.</param>
    /// <returns>The bytes; seldom a right input again.</returns>
    public byte[] Next(byte[][] corpus)
    {
        List<byte> bytes = [.. corpus[_random.Next(corpus.Length)]];
        for (int i = _random.Next(1, 6); i > 0; i--)
        {
            Change(bytes, corpus);
        }

        return [.. bytes];
    }

    private void Change(List<byte> bytes, byte[][] corpus)
    {
        int at = _random.Next(bytes.Count + 1);
        switch (_random.Next(8))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)_random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, Math.Min(_random.Next(1, 9), bytes.Count - at));
                break;
            case 3:
                bytes.InsertRange(at, Pieces[_random.Next(Pieces.Length)]);
                break;
            case 4:
                // A value for another: from the last '=' or separator to the next separator.
                (int start, int end) = Item(bytes, at);
                int value = bytes.IndexOf((byte)'=', start, end - start);
                start = value < 0 ? start : value + 1;
                bytes.RemoveRange(start, end - start);
                bytes.InsertRange(start, Pieces[_random.Next(Pieces.Length)]);
                break;
            case 5:
                (start, end) = Item(bytes, at);
                bytes.InsertRange(start, [.. bytes[start..end], separator]);
                break;
            case 6:
                (start, end) = Item(bytes, at);
                bytes.RemoveRange(start, end - start);
                break;
            default:
                // A line of another input.
                List<byte> other = [.. corpus[_random.Next(corpus.Length)]];
                (start, end) = Item(other, _random.Next(other.Count + 1));
                bytes.InsertRange(Item(bytes, at).Start, [.. other[start..end], separator]);
                break;
        }
    }

    private (int Start, int End) Item(List<byte> bytes, int at)
    {
        int start = at == 0 ? 0 : bytes.LastIndexOf(separator, at - 1) + 1;
        int end = bytes.IndexOf(separator, at);
        return (start, end < 0 ? bytes.Count : end);
    }
}
