using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb top: a live table of peers, rates, drops and workers.</summary>
internal static class TopCommand
{
    /// <summary>Runs the verb until it is interrupted.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        int count = int.MaxValue;
        double interval = 1;
        string? name = null;
        var words = new Queue<string>(arguments);
        while (words.TryDequeue(out string? word))
        {
            bool known = word switch
            {
                "--count" => words.TryDequeue(out string? times) && int.TryParse(times, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count > 0,
                "--interval" => words.TryDequeue(out string? seconds) && double.TryParse(seconds, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out interval) && interval is >= 0.1 and <= 3600,
                _ when word.StartsWith('-') => throw UsageException.UnknownOption("top", word),
                _ => name is null && (name = word) is not null,
            };
            if (!known)
            {
                throw UsageException.Of("top");
            }
        }

        ControlClient client = DaemonControl.Of(name ?? throw UsageException.Of("top"));
        using CancellationSignal signal = new();
        TopTable table = new();
        if (Console.IsOutputRedirected)
        {
            // No terminal: a table after the other, as wide as tables are read.
            IAnsiConsole plain = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
            plain.Profile.Width = 140;
            Show(client, signal, count, interval, sample => plain.Write(table.Next(sample)));
            return ExitCode.Done;
        }

        AnsiConsole.AlternateScreen(() => AnsiConsole.Live(new Text(string.Empty)).Start(live => Show(client, signal, count, interval, sample =>
        {
            live.UpdateTarget(table.Next(sample));
            live.Refresh();
        })));
        return ExitCode.Done;
    }

    private static void Show(ControlClient client, CancellationSignal signal, int count, double interval, Action<TopSample> show)
    {
        for (int i = 0; i < count && !signal.IsCancelled; i++)
        {
            if (i > 0)
            {
                signal.Wait(TimeSpan.FromSeconds(interval));
            }

            show(new TopSample(
                StatusReader.Read(client),
                client.Ask(new StatRequest { Verb = StatRequest.VerbName }, StatJson.Default.StatRequest, StatJson.Default.StatAnswer),
                client.Ask(new LoadRequest { Verb = LoadRequest.VerbName }, LoadJson.Default.LoadRequest, LoadJson.Default.LoadAnswer),
                Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency));
        }
    }
}
