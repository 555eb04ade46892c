using System.Globalization;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb steer: the steering rules, and how far each has come.</summary>
internal static class SteerCommand
{
    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = false;
        bool watch = false;
        bool resync = false;
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
                case "--resync":
                    resync = true;
                    break;
                case "--count" when words.TryDequeue(out string? times) && int.TryParse(times, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count > 0:
                    break;
                default:
                    names.Add(word.StartsWith('-') ? throw UsageException.UnknownOption("steer", word) : word);
                    break;
            }
        }

        if (names.Count > 1 || (resync && watch) || (count != int.MaxValue && !watch))
        {
            throw UsageException.Of("steer");
        }

        ControlClient client = DaemonControl.Of(names.Count == 1 ? names[0] : StatCommand.OnlyInterface());
        var request = new SteerRequest { Verb = SteerRequest.VerbName, Resync = resync };
        using CancellationSignal signal = new();
        for (int i = 0; i < (watch ? count : 1); i++)
        {
            if (i > 0)
            {
                signal.Wait(TimeSpan.FromSeconds(1));
                if (signal.IsCancelled)
                {
                    break;
                }
            }

            SteerAnswer answer = client.Ask(request, SteerJson.Default.SteerRequest, SteerJson.Default.SteerAnswer);
            if (json)
            {
                CommandLine.PrintJson(answer, SteerJson.Default.SteerAnswer);
            }
            else
            {
                CommandLine.Print(SteerText.Write(answer));
            }
        }

        return ExitCode.Done;
    }
}
