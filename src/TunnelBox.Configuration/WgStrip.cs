using System.Text;

namespace TunnelBox.Configuration;

/// <summary>Gives a wg-quick file without wg-quick's keys, line by line as it was written but for white space at its ends (wg-quick(8), <c>strip</c>).</summary>
public static class WgStrip
{
    private static readonly string[] Keys = ["address", "dns", "mtu", "table", "preup", "postup", "predown", "postdown", "saveconfig"];

    /// <summary>Writes the lines that wg(8) understands.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="text">Where to; the caller sends it.</param>
    public static void Write(ReadOnlySpan<byte> bytes, SecretWriter text)
    {
        ArgumentNullException.ThrowIfNull(text);
        bool inInterface = false;
        while (!bytes.IsEmpty)
        {
            int end = bytes.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? bytes : bytes[..end]).Trim(" \t"u8);
            bytes = end < 0 ? default : bytes[(end + 1)..];
            int hash = line.IndexOf((byte)'#');
            ReadOnlySpan<byte> bare = hash < 0 ? line : line[..hash];
            int equals = bare.IndexOf((byte)'=');
            // Only the part before '=' becomes a string: the value may be a key.
            string key = Encoding.Latin1.GetString(equals < 0 ? bare[..Math.Min(bare.Length, 32)] : bare[..Math.Min(equals, 32)]).Trim().ToLowerInvariant();
            if (key.StartsWith('['))
            {
                inInterface = key == "[interface]";
            }

            if (!inInterface || equals < 0 || !Keys.Contains(key))
            {
                text.Text(line).Text("\n"u8);
            }
        }
    }
}
