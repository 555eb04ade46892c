using System.Globalization;
using System.Text;
using System.Text.Json;
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
                name = name is null && !word.StartsWith('-') ? word : throw UsageException.Of("monitor");
            }
        }

        ControlClient client = DaemonControl.Of(name ?? throw UsageException.Of("monitor"));
        foreach (MonitorLine line in client.Stream(new MonitorRequest { Verb = MonitorRequest.VerbName }, MonitorJson.Default.MonitorRequest, MonitorJson.Default.MonitorLine))
        {
            CommandLine.Print((json ? Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(line, MonitorJson.Default.MonitorLine)) : line.ToText()) + "\n");
            if (line.Event != "watching" && --count == 0)
            {
                break;
            }
        }

        return ExitCode.Done;
    }
}
