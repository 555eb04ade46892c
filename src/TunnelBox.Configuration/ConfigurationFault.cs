using System.Text;

namespace TunnelBox.Configuration;

/// <summary>One thing that is wrong in a configuration file or an environment variable.</summary>
/// <param name="Source">The file's path as it was given, or an environment variable's name.</param>
/// <param name="Line">1-based line, or 0 where there is none.</param>
/// <param name="Key">The key or section as it was written, or empty.</param>
/// <param name="Text">What is wrong and what is allowed, one sentence; never a secret.</param>
public readonly record struct ConfigurationFault(string Source, int Line, string Key, string Text)
{
    /// <inheritdoc/>
    public override string ToString()
    {
        StringBuilder text = new(Source);
        if (Line > 0)
        {
            text.Append(':').Append(Line);
        }

        text.Append(": ");
        if (Key.Length > 0)
        {
            text.Append(Key).Append(": ");
        }

        return text.Append(Text).ToString();
    }

    /// <summary>Quotes a piece of input for a message: printable ASCII only, and not too long.</summary>
    /// <param name="input">The bytes.</param>
    /// <returns>The quotation, with its marks.</returns>
    public static string Quote(ReadOnlySpan<byte> input)
    {
        const int Longest = 60;
        StringBuilder text = new("\"");
        foreach (byte b in input[..Math.Min(input.Length, Longest)])
        {
            text.Append(b is >= 32 and < 127 ? (char)b : '?');
        }

        return text.Append(input.Length > Longest ? "...\"" : "\"").ToString();
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
