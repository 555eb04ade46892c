using System.Buffers;
using System.Text;

namespace TunnelBox.Service;

/// <summary>Makes text fit for one line that anybody may read.</summary>
internal static class LogText
{
    internal const string StruckOut = "(key)";

    // 43 base64 digits and '=', or 64 hexadecimal digits: the two spellings of 32 bytes.
    private const int Base64Digits = 43;
    private const int HexDigits = 64;
    private const int MaximumLength = 1000;

    private static readonly SearchValues<char> s_base64 =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    private static readonly SearchValues<char> s_hex = SearchValues.Create("0123456789ABCDEFabcdef");

    /// <summary>Strikes out what could be a key, replaces control characters, and shortens what is too long.</summary>
    internal static string Clean(string text)
    {
        // Struck out first: half a key is still half a key.
        string line = ReplaceControls(StrikeKeys(text));
        return line.Length <= MaximumLength ? line : string.Concat(line.AsSpan(0, MaximumLength), "…");
    }

    private static string ReplaceControls(string text)
    {
        foreach (char c in text)
        {
            if (char.IsControl(c))
            {
                return string.Create(text.Length, text, static (target, source) =>
                {
                    for (int i = 0; i < source.Length; i++)
                    {
                        target[i] = char.IsControl(source[i]) ? ' ' : source[i];
                    }
                });
            }
        }

        return text;
    }

    private static string StrikeKeys(string text)
    {
        // Nearly every line is shorter than a key or has no run of its length; those are not copied.
        StringBuilder? struck = null;
        int copied = 0;
        for (int i = 0; i + Base64Digits < text.Length;)
        {
            int run = Run(text, i, s_base64);
            int key = run >= Base64Digits && i + run < text.Length && text[i + run] == '=' ? run + 1 : HexKey(text, i, run);
            if (key > 0)
            {
                struck ??= new StringBuilder(text.Length);
                struck.Append(text, copied, i - copied).Append(StruckOut);
                copied = i + key;
                i = copied;
            }
            else
            {
                i += Math.Max(1, run);
            }
        }

        return struck is null ? text : struck.Append(text, copied, text.Length - copied).ToString();
    }

    // A hexadecimal key is a run of base64 digits too; it may start anywhere in that run ("key/ab12…").
    private static int HexKey(string text, int start, int run)
    {
        for (int i = start; run - (i - start) >= HexDigits;)
        {
            int hex = Run(text, i, s_hex);
            if (hex >= HexDigits)
            {
                return i + hex - start;
            }

            i += Math.Max(1, hex);
        }

        return 0;
    }

    private static int Run(string text, int start, SearchValues<char> of)
    {
        int length = text.AsSpan(start).IndexOfAnyExcept(of);
        return length < 0 ? text.Length - start : length;
    }
}
