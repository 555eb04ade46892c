using System.Text.Encodings.Web;
using System.Text.Json;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb status: what an operator acts on.</summary>
internal static class StatusCommand
{
    // Keys have a '+' that need not be escaped: the output goes into no web page, and people search it for keys.
    private static readonly StatusJson Json = new(new JsonSerializerOptions(StatusJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private const string Clear = "\e[H\e[2J";

    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = arguments.Contains("--json", StringComparer.Ordinal);
        bool watch = arguments.Contains("--watch", StringComparer.Ordinal);
        string[] names = [.. arguments.Where(argument => argument is not ("--json" or "--watch"))];
        if (names.Length > 1 || names.Any(name => name.StartsWith('-')))
        {
            throw UsageException.Of("status");
        }

        if (!watch)
        {
            return Once(names, json);
        }

        using CancellationSignal signal = new();
        while (!signal.IsCancelled)
        {
            if (!json && !Console.IsOutputRedirected)
            {
                CommandLine.Print(Clear);
            }

            ExitCode code = Once(names, json);
            if (code != ExitCode.Done)
            {
                return code;
            }

            signal.Wait(TimeSpan.FromSeconds(1));
        }

        return ExitCode.Done;
    }

    private static ExitCode Once(string[] names, bool json)
    {
        ExitCode code = ExitCode.Done;
        List<InterfaceReport> reports = [];
        foreach (string name in names.Length > 0 ? [.. names] : UapiClient.Interfaces())
        {
            try
            {
                reports.Add(StatusReader.Read(DaemonControl.Of(name)));
            }
            catch (ControlException e) when (names.Length == 0)
            {
                // One interface of another make must not hide the others.
                CommandLine.Note(e.Message);
                code = e.Failure == ControlFailure.NoPermission ? ExitCode.NoPermission : ExitCode.Failed;
            }
        }

        if (json)
        {
            CommandLine.Print(JsonSerializer.Serialize(new StatusDocument { Interfaces = reports }, Json.StatusDocument) + "\n");
        }
        else
        {
            CommandLine.Print(string.Join('\n', reports.Select(report => StatusText.Of(report, DateTimeOffset.UtcNow))));
        }

        return code == ExitCode.Failed && reports.Count > 0 ? ExitCode.Done : code;
    }
}
