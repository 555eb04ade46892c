using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb status: what an operator acts on.</summary>
internal static class StatusCommand
{
    private const string Clear = "\e[H\e[2J";

    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = arguments.Contains("--json", StringComparer.Ordinal);
        bool watch = arguments.Contains("--watch", StringComparer.Ordinal);
        string[] names = [.. arguments.Where(argument => argument is not ("--json" or "--watch"))];
        if (names.FirstOrDefault(name => name.StartsWith('-')) is { } unknown)
        {
            throw UsageException.UnknownOption("status", unknown);
        }

        if (names.Length > 1)
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
        using Progress progress = new("status: waiting for the daemon's answer");
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
            CommandLine.PrintJson(new StatusDocument { Interfaces = reports }, StatusJson.Default.StatusDocument);
        }
        else
        {
            CommandLine.Print(string.Join('\n', reports.Select(report => StatusText.Of(report, DateTimeOffset.UtcNow))));
        }

        return code == ExitCode.Failed && reports.Count > 0 ? ExitCode.Done : code;
    }
}
