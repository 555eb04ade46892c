using System.Globalization;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb stat: what was counted, and why packets were dropped.</summary>
internal static class StatCommand
{
    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = false;
        bool watch = false;
        bool explain = false;
        string? peer = null;
        int count = int.MaxValue;
        List<string> names = [];
        var words = new Queue<string>(arguments);
        while (words.TryDequeue(out string? word))
        {
            switch (word)
            {
                case "--json":
                    json = true;
                    break;
                case "--watch":
                    watch = true;
                    break;
                case "--explain":
                    explain = true;
                    break;
                case "--peer" when words.TryDequeue(out peer):
                    break;
                case "--count" when words.TryDequeue(out string? times) && int.TryParse(times, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count > 0:
                    break;
                default:
                    names.Add(word.StartsWith('-') ? throw UsageException.UnknownOption("stat", word) : word);
                    break;
            }
        }

        if (names.Count > 1 || (explain && (json || watch)) || (count != int.MaxValue && !watch))
        {
            throw UsageException.Of("stat");
        }

        string name = names.Count == 1 ? names[0] : OnlyInterface();
        ControlClient client = DaemonControl.Of(name);
        var request = new StatRequest { Verb = StatRequest.VerbName, Peer = peer is null ? null : PeerDirectory.Find(name, peer).PublicKey.ToString() };
        StatAnswer Ask() => client.Ask(request, StatJson.Default.StatRequest, StatJson.Default.StatAnswer);
        StatAnswer answer;
        using (new Progress("stat: waiting for the daemon's answer"))
        {
            answer = Ask();
        }

        if (watch)
        {
            return Watch(Ask, answer, json, count);
        }

        Show(answer, json ? null : explain ? StatText.Explain(answer) : StatText.Write(answer));
        return ExitCode.Done;
    }

    private static ExitCode Watch(Func<StatAnswer> ask, StatAnswer before, bool json, int count)
    {
        using CancellationSignal signal = new();
        for (int i = 0; i < count; i++)
        {
            signal.Wait(TimeSpan.FromSeconds(1));
            if (signal.IsCancelled)
            {
                break;
            }

            StatAnswer now = ask();
            Show(now, json ? null : StatText.Rates(before, now));
            before = now;
        }

        return ExitCode.Done;
    }

    /// <summary>Gives the one interface that runs.</summary>
    /// <returns>Its name.</returns>
    /// <exception cref="ControlException">There is none, or more than one.</exception>
    public static string OnlyInterface()
    {
        List<string> names = UapiClient.Interfaces();
        return names.Count switch
        {
            1 => names[0],
            0 => throw new ControlException("No tunnel runs here; start one with \"tunnelctl up NAME\".", ControlFailure.NoDaemon),
            _ => throw new UsageException($"Several tunnels run here; name one of {string.Join(", ", names)}."),
        };
    }

    private static void Show(StatAnswer answer, string? text)
    {
        if (text is null)
        {
            CommandLine.PrintJson(answer, StatJson.Default.StatAnswer);
        }
        else
        {
            CommandLine.Print(text);
        }
    }
}
