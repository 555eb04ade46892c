namespace TunnelBox.Tunnelctl;

/// <summary>
/// What a verb's line of usage says about its arguments: places and words. Upper case stands for a kind (INTERFACE, PEER, KEY, FIELD,
/// FILE, NAME and those without completion), lower case and dashes for themselves, brackets for what may be left out.
/// </summary>
internal sealed class UsageGrammar
{
    private readonly List<(List<string> Words, bool Optional)> _places = [];

    private UsageGrammar()
    {
    }

    /// <summary>Gets the words that stand for themselves, options among them, with the kind of the value that follows, or null.</summary>
    public Dictionary<string, string?> Words { get; } = new(StringComparer.Ordinal);

    /// <summary>Gets every kind named, in order.</summary>
    public List<string> Kinds { get; } = [];

    /// <summary>Reads a line of usage.</summary>
    /// <param name="arguments">What follows the verb in it.</param>
    /// <returns>What it says.</returns>
    public static UsageGrammar Of(string arguments)
    {
        UsageGrammar grammar = new();
        bool joined = false;
        foreach (string group in Groups(arguments))
        {
            if (group == "|")
            {
                joined = true;
                continue;
            }

            bool optional = group[0] == '[';
            List<string> words = [.. group.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Bare).Where(word => word.Length > 0)];
            grammar.Kinds.AddRange(words.Where(IsKind).Where(kind => !grammar.Kinds.Contains(kind)));
            if (words[0][0] == '-' || (words.Count > 1 && !IsKind(words[0]) && IsKind(words[1])))
            {
                for (int i = 0; i < words.Count; i++)
                {
                    if (!IsKind(words[i]))
                    {
                        grammar.Words[words[i]] = i + 1 < words.Count && IsKind(words[i + 1]) ? words[i + 1] : null;
                    }
                }
            }
            else if (joined)
            {
                grammar._places[^1].Words.AddRange(words);
            }
            else
            {
                grammar._places.Add((words, optional));
            }

            joined = false;
        }

        return grammar;
    }

    /// <summary>Gives what may stand at a place: kinds, and words that stand for themselves.</summary>
    /// <param name="place">How many arguments other than options stand before it.</param>
    /// <returns>Kinds and words.</returns>
    public IEnumerable<string> At(int place)
    {
        if (place >= _places.Count)
        {
            return Words.Keys;
        }

        IEnumerable<string> here = _places[place].Words;
        // "[INTERFACE] PEER": what is needed may come first.
        if (_places[place].Optional && place + 1 < _places.Count && !_places[place + 1].Optional)
        {
            here = here.Concat(_places[place + 1].Words);
        }

        return here.Concat(Words.Keys.Where(word => word[0] == '-'));
    }

    /// <summary>Gives whether a word of usage stands for a kind of argument.</summary>
    /// <param name="word">The word.</param>
    /// <returns>True for a kind.</returns>
    public static bool IsKind(string word) => char.IsAsciiLetterUpper(word[0]);

    private static string Bare(string word)
    {
        string bare = word.Replace("...", string.Empty, StringComparison.Ordinal).Trim('[', ']', ',');
        int sign = bare.IndexOf(']', StringComparison.Ordinal);
        return bare == "|" ? string.Empty : bare[(sign + 1)..];
    }

    private static IEnumerable<string> Groups(string arguments)
    {
        int depth = 0;
        int start = 0;
        for (int i = 0; i <= arguments.Length; i++)
        {
            if (i < arguments.Length && arguments[i] != ' ')
            {
                depth += arguments[i] == '[' ? 1 : arguments[i] == ']' ? -1 : 0;
            }
            else if (depth == 0 || i == arguments.Length)
            {
                if (i > start)
                {
                    yield return arguments[start..i];
                }

                start = i + 1;
            }
        }
    }
}
