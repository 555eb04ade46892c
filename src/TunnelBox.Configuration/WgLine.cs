using System.Security.Cryptography;
using System.Text;

namespace TunnelBox.Configuration;

/// <summary>What a line of a wg file is made of: white space, keys, names, secrets.</summary>
internal static class WgLine
{
    /// <summary>Longest name of a key that is looked at; the longest there is has 19 characters.</summary>
    public const int LongestName = 24;

    /// <summary>White space as isspace(3) has it in the C locale.</summary>
    public static bool IsSpace(byte c) => c is (byte)' ' or (>= 9 and <= 13);

    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty && IsSpace(text[0]))
        {
            text = text[1..];
        }

        while (!text.IsEmpty && IsSpace(text[^1]))
        {
            text = text[..^1];
        }

        return text;
    }

    /// <summary>Reads a key into an array that the collector never moves.</summary>
    public static byte[]? Secret(ReadOnlySpan<byte> base64)
    {
        byte[] secret = GC.AllocateArray<byte>(KeyText.KeySize, pinned: true);
        return KeyText.TryFromBase64(base64, secret) ? secret : null;
    }

    /// <summary>The first word of a broken line where it may be shown: what is longer than any key's name could itself be a secret.</summary>
    public static ReadOnlySpan<byte> FirstWord(ReadOnlySpan<byte> text)
    {
        int end = text.IndexOfAny(" \t"u8);
        ReadOnlySpan<byte> word = end < 0 ? text : text[..end];
        return word.Length <= LongestName ? word : "the line"u8;
    }

    /// <summary>A peer's name as people may see it: trimmed, printable, at most 64 characters; null where it is none.</summary>
    public static string? NameOf(string text)
    {
        text = text.Trim();
        bool clean = text.Length is > 0 and <= 64 && !text.Any(char.IsControl);
        return clean ? text : null;
    }

    /// <summary>A key's name as a message may show it.</summary>
    public static string Printable(string key) => ConfigurationFault.Printable(Encoding.Latin1.GetBytes(key));

    /// <summary>A text without its white space, in memory that is wiped.</summary>
    public readonly ref struct Compact
    {
        private readonly byte[] _bytes;
        private readonly int _length;

        public Compact(ReadOnlySpan<byte> text)
        {
            _bytes = GC.AllocateUninitializedArray<byte>(text.Length, pinned: true);
            foreach (byte c in text)
            {
                if (!IsSpace(c))
                {
                    _bytes[_length++] = c;
                }
            }
        }

        public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

        public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);
    }
}
