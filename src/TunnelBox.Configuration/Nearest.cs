namespace TunnelBox.Configuration;

/// <summary>Finds what somebody probably meant.</summary>
public static class Nearest
{
    /// <summary>Gives the known word nearest to a text, ignoring case, by edits (insert, delete, change, swap of neighbours).</summary>
    /// <param name="text">What was written.</param>
    /// <param name="known">What could have been meant.</param>
    /// <returns>The word, or null where nothing is within a third of its length.</returns>
    public static string? Of(string text, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(known);
        if (text.Length > 64)
        {
            return null;
        }

        string? best = null;
        int fewest = int.MaxValue;
        foreach (string word in known)
        {
            int edits = Distance(text, word);
            if (edits < fewest && edits <= Math.Max(1, word.Length / 3))
            {
                (best, fewest) = (word, edits);
            }
        }

        return best;
    }

    /// <summary>Gives " Did you mean X?", or nothing where no word is near.</summary>
    /// <param name="text">What was written.</param>
    /// <param name="known">What could have been meant.</param>
    /// <returns>The question with a leading space, or an empty string.</returns>
    public static string Question(string text, IEnumerable<string> known) => Of(text, known) is { } word ? $" Did you mean {word}?" : string.Empty;

    private static int Distance(string a, string b)
    {
        int[,] edits = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    edits[i, j] = i + j;
                    continue;
                }

                bool same = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]);
                edits[i, j] = Math.Min(Math.Min(edits[i - 1, j] + 1, edits[i, j - 1] + 1), edits[i - 1, j - 1] + (same ? 0 : 1));
                if (i > 1 && j > 1 && char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 2])
                    && char.ToLowerInvariant(a[i - 2]) == char.ToLowerInvariant(b[j - 1]))
                {
                    edits[i, j] = Math.Min(edits[i, j], edits[i - 2, j - 2] + 1);
                }
            }
        }

        return edits[a.Length, b.Length];
    }
}
