using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>All memory that a process could read, seen from outside through /proc/PID/mem.</summary>
internal static class ProcessMemory
{
    private const int Block = 4 << 20;
    private const int Longest = 256;

    /// <summary>Looks for secrets in every form that a program may leave behind: bytes, base64 and hexadecimal, the texts in UTF-8 and UTF-16; halves count.</summary>
    /// <param name="process">The process.</param>
    /// <param name="secrets">32 bytes each, by name.</param>
    /// <returns>What was found: "NAME as FORM", once for each place, with the mapping that it lies in.</returns>
    public static List<string> Find(int process, IReadOnlyDictionary<string, byte[]> secrets)
    {
        List<(string What, byte[] Bytes)> patterns = [.. secrets.SelectMany(secret => Forms(secret.Value).Select(form => ($"{secret.Key} as {form.Form}", form.Bytes)))];
        List<string> found = [];
        byte[] block = new byte[Block];
        using SafeFileHandle memory = File.OpenHandle($"/proc/{process}/mem");
        foreach (string line in File.ReadAllLines($"/proc/{process}/maps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[1][0] != 'r' || (words.Length > 5 && words[5].StartsWith("[v", StringComparison.Ordinal)))
            {
                continue;
            }

            string[] ends = words[0].Split('-');
            long first = long.Parse(ends[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            long last = long.Parse(ends[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            for (long at = first; at < last; at += Block - Longest)
            {
                int read = Read(memory, block.AsSpan(0, (int)Math.Min(Block, last - at)), at);
                foreach ((string what, byte[] bytes) in patterns)
                {
                    ReadOnlySpan<byte> rest = block.AsSpan(0, read);
                    for (int place; (place = rest.IndexOf(bytes)) >= 0; rest = rest[(place + 1)..])
                    {
                        found.Add($"{what} at {at + read - rest.Length + place:x} in {words[1]} {(words.Length > 5 ? words[5] : "(no file)")}");
                    }
                }
            }
        }

        return found;
    }

    /// <summary>Gives every form of a secret.</summary>
    /// <param name="secret">32 bytes.</param>
    /// <returns>The forms' names and bytes.</returns>
    public static IEnumerable<(string Form, byte[] Bytes)> Forms(byte[] secret)
    {
        string base64 = Convert.ToBase64String(secret);
        string hex = Convert.ToHexStringLower(secret);
        yield return ("bytes, first half", secret[..16]);
        yield return ("bytes, second half", secret[16..]);
        foreach ((string form, string text) in ((string, string)[])[("base64", base64), ("hexadecimal", hex), ("upper hexadecimal", hex.ToUpperInvariant())])
        {
            yield return ($"{form}, first half", Encoding.ASCII.GetBytes(text[..(text.Length / 2)]));
            yield return ($"{form}, second half", Encoding.ASCII.GetBytes(text[(text.Length / 2)..]));
            yield return ($"{form} in UTF-16, first half", Encoding.Unicode.GetBytes(text[..(text.Length / 2)]));
            yield return ($"{form} in UTF-16, second half", Encoding.Unicode.GetBytes(text[(text.Length / 2)..]));
        }
    }

    private static int Read(SafeFileHandle memory, Span<byte> block, long at)
    {
        try
        {
            return RandomAccess.Read(memory, block, at);
        }
        catch (IOException)
        {
            // A page that is nobody's, such as a device's.
            return 0;
        }
    }
}
