using System.Globalization;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb monitor: one line for every step of a handshake or session, as it happens.</summary>
internal static class MonitorCommand
{
    /// <summary>Runs the verb until it is interrupted.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = false;
        int count = int.MaxValue;
        string? name = null;
        var words = new Queue<string>(arguments);
        while (words.TryDequeue(out string? word))
        {
            if (word == "--json")
            {
                json = true;
            }
            else if (word == "--count")
            {
                if (!words.TryDequeue(out string? times) || !int.TryParse(times, NumberStyles.None, CultureInfo.InvariantCulture, out count) || count == 0)
                {
                    throw UsageException.Of("monitor");
                }
            }
            else
            {
                name = word.StartsWith('-') ? throw UsageException.UnknownOption("monitor", word) : name is null ? word : throw UsageException.Of("monitor");
            }
        }

        ControlClient client = DaemonControl.Of(name ?? throw UsageException.Of("monitor"));
        foreach (MonitorLine line in client.Stream(new MonitorRequest { Verb = MonitorRequest.VerbName }, MonitorJson.Default.MonitorRequest, MonitorJson.Default.MonitorLine))
        {
            if (json)
            {
                CommandLine.PrintJson(line, MonitorJson.Default.MonitorLine);
            }
            else
            {
                CommandLine.Print(line.ToText() + "\n");
            }

            if (line.Event != "watching" && --count == 0)
            {
                break;
            }
        }

        return ExitCode.Done;
    }
}
