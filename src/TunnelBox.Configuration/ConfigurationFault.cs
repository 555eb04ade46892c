using System.Globalization;
using System.Text;

namespace TunnelBox.Configuration;

/// <summary>One thing that is wrong in a configuration file or an environment variable.</summary>
/// <param name="Source">The file's path as it was given, or an environment variable's name.</param>
/// <param name="Line">1-based line, or 0 where there is none.</param>
/// <param name="Key">The key or section as it was written, or empty.</param>
/// <param name="Text">What is wrong and what is allowed, one sentence; never a secret.</param>
public readonly record struct ConfigurationFault(string Source, int Line, string Key, string Text)
{
    private const int LongestWord = 32;
    private const int LongestQuote = 60;

    /// <inheritdoc/>
    public override string ToString()
    {
        StringBuilder text = new(OneLine(Source));
        if (Line > 0)
        {
            text.Append(':').Append(Line);
        }

        text.Append(": ");
        if (Key.Length > 0)
        {
            text.Append(OneLine(Key)).Append(": ");
        }

        return text.Append(Text).ToString();
    }

    /// <summary>Quotes a piece of input for a message: printable ASCII only, not too long, and nothing that could be a key.</summary>
    /// <param name="input">The bytes.</param>
    /// <returns>The quotation, with its marks.</returns>
    public static string Quote(ReadOnlySpan<byte> input)
    {
        StringBuilder text = new("\"");
        int run = 0;
        for (int i = 0; i <= input.Length; i++)
        {
            if (i < input.Length && (char.IsAsciiLetterOrDigit((char)input[i]) || input[i] is (byte)'+' or (byte)'/'))
            {
                run++;
                continue;
            }

            // Nothing else in these files has so many letters on end.
            text.Append(run >= LongestWord ? "(hidden)" : Printable(input.Slice(i - run, run)));
            text.Append(i < input.Length ? Printable(input.Slice(i, 1)) : string.Empty);
            run = 0;
            if (text.Length > LongestQuote)
            {
                text.Length = LongestQuote;
                text.Append("...");
                break;
            }
        }

        return text.Append('"').ToString();
    }

    // Keys of JSON and paths may hold anything; what moves a terminal's cursor or turns its text around must not reach one.
    private static string OneLine(string text) => text.Any(Moves) ? string.Concat(text.Select(c => Moves(c) ? '?' : c)) : text;

    private static bool Moves(char c) => char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate;

    /// <summary>Gives input as printable ASCII, '?' for the rest.</summary>
    /// <param name="input">The bytes; no secret.</param>
    /// <returns>As many characters as bytes.</returns>
    public static string Printable(ReadOnlySpan<byte> input)
    {
        StringBuilder text = new(input.Length);
        foreach (byte b in input)
        {
            text.Append(b is >= 32 and < 127 ? (char)b : '?');
        }

        return text.ToString();
    }
}

/// <summary>A configuration with faults; nothing of it is used.</summary>
/// <param name="faults">All of them, in the order of the file.</param>
public sealed class ConfigurationFaultsException(IReadOnlyList<ConfigurationFault> faults)
    : Exception(string.Join('\n', faults))
{
    /// <summary>Gets the faults.</summary>
    public IReadOnlyList<ConfigurationFault> Faults { get; } = faults;
}
