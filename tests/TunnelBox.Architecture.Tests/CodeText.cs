using System.Text;

namespace TunnelBox.Architecture.Tests;

/// <summary>Takes comments, strings and characters out of C#, so that rules see code alone.</summary>
internal static class CodeText
{
    public static string Strip(string text)
    {
        var code = new StringBuilder(text.Length);
        int i = 0;
        while (i < text.Length)
        {
            int end = EndOfTrivia(text, i);
            if (end > i)
            {
                // Lines and words stay apart.
                code.Append(text.AsSpan(i, end - i).Contains('\n') ? '\n' : ' ');
                i = end;
            }
            else
            {
                code.Append(text[i++]);
            }
        }

        return code.ToString();
    }

    private static int EndOfTrivia(string text, int i)
    {
        if (At(text, i, "//"))
        {
            int line = text.IndexOf('\n', i);
            return line < 0 ? text.Length : line;
        }

        if (At(text, i, "/*"))
        {
            int close = text.IndexOf("*/", i + 2, StringComparison.Ordinal);
            return close < 0 ? text.Length : close + 2;
        }

        if (text[i] == '\'')
        {
            return EndOfQuoted(text, i + 1, '\'');
        }

        if (text[i] != '"')
        {
            return i;
        }

        int quotes = 0;
        while (i + quotes < text.Length && text[i + quotes] == '"')
        {
            quotes++;
        }

        if (quotes >= 3)
        {
            string fence = new('"', quotes);
            int close = text.IndexOf(fence, i + quotes, StringComparison.Ordinal);
            return close < 0 ? text.Length : close + quotes;
        }

        bool verbatim = i > 0 && (text[i - 1] == '@' || (text[i - 1] == '$' && i > 1 && text[i - 2] == '@'));
        return verbatim ? EndOfVerbatim(text, i + 1) : EndOfQuoted(text, i + 1, '"');
    }

    private static int EndOfQuoted(string text, int i, char quote)
    {
        while (i < text.Length && text[i] != quote && text[i] != '\n')
        {
            i += text[i] == '\\' ? 2 : 1;
        }

        return Math.Min(i + 1, text.Length);
    }

    private static int EndOfVerbatim(string text, int i)
    {
        while (i < text.Length)
        {
            if (text[i] == '"' && !At(text, i, "\"\""))
            {
                return i + 1;
            }

            i += text[i] == '"' ? 2 : 1;
        }

        return text.Length;
    }

    private static bool At(string text, int i, string what) => string.CompareOrdinal(text, i, what, 0, what.Length) == 0;
}
