using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Diagnosis;
using TunnelBox.Control.Quick;
using TunnelBox.Visibility;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb complete, which the shells' completions ask: what may stand for the last word, a line each.</summary>
internal static class CompleteCommand
{
    /// <summary>The line that asks the shell for names of files.</summary>
    public const string Files = ":files";

    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">The words after the program's name; the last is the one to complete.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        StringBuilder text = new();
        foreach (string candidate in Candidates(arguments is ["--", .. var words] ? words : arguments).Distinct(StringComparer.Ordinal))
        {
            text.Append(candidate).Append('\n');
        }

        CommandLine.Print(text.ToString());
        return ExitCode.Done;
    }

    /// <summary>Gives what may stand for the last word.</summary>
    /// <param name="words">The words after the program's name; the last is the one to complete.</param>
    /// <returns>The words, with a description after a tab for verbs.</returns>
    internal static IEnumerable<string> Candidates(string[] words)
    {
        if (words.Length <= 1)
        {
            string begun = words.Length == 0 ? string.Empty : words[0];
            return Verb.All.Where(verb => verb.Name.StartsWith(begun, StringComparison.Ordinal)).Select(verb => $"{verb.Name}\t{verb.Summary}");
        }

        if (Verb.Find(words[0]) is not { } verb)
        {
            return [];
        }

        UsageGrammar grammar = UsageGrammar.Of(verb.Arguments);
        string last = words[^1];
        IEnumerable<string> wanted = grammar.Words.GetValueOrDefault(words[^2]) is { } value ? [value] : grammar.At(Place(grammar, words[1..^1]));
        return wanted.SelectMany(word => UsageGrammar.IsKind(word) ? OfKind(word, words) : [word])
            .Where(candidate => candidate == Files || candidate.StartsWith(last, StringComparison.Ordinal));
    }

    private static int Place(UsageGrammar grammar, string[] before)
    {
        int place = 0;
        for (int i = 0; i < before.Length; i++)
        {
            if (grammar.Words.TryGetValue(before[i], out string? value))
            {
                i += value is null ? 0 : 1;
            }
            else
            {
                place++;
            }
        }

        return place;
    }

    private static IEnumerable<string> OfKind(string kind, string[] words)
    {
        try
        {
            return kind switch
            {
                "INTERFACE" => UapiClient.Interfaces(),
                "NAME" => QuickFile.Directories.Where(Directory.Exists)
                    .SelectMany(directory => Directory.EnumerateFiles(directory, "*.conf")).Select(file => Path.GetFileNameWithoutExtension(file)),
                "FIELD" => ShowText.Fields,
                "REASON" => DropReasons.All.Select(reason => reason.Name),
                "CHECK" => Doctor.All.Select(check => check.Name),
                "FILE" => [Files],
                "PEER" or "KEY" => Peers(words),
                _ => [],
            };
        }
        catch (Exception e) when (e is ControlException or IOException or UnauthorizedAccessException or ConfigurationFaultsException)
        {
            // Nobody wants a sentence in the middle of the line being typed.
            return [];
        }
    }

    private static List<string> Peers(string[] words)
    {
        List<string> all = UapiClient.Interfaces();
        string? named = words.Skip(1).SkipLast(1).FirstOrDefault(all.Contains);
        List<string> peers = [];
        foreach (string name in named is null ? all : [named])
        {
            foreach (NamedPeer peer in PeerDirectory.Of(name))
            {
                peers.Add(peer.PublicKey.ToString());
                if (peer.Name is { } called)
                {
                    peers.Add(called);
                }
            }
        }

        return peers;
    }
}
