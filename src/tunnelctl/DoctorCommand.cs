using System.Globalization;
using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb doctor: looks for what is wrong, and says what to do.</summary>
internal static class DoctorCommand
{
    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended: <see cref="ExitCode.Failed"/> where a check failed.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = false;
        List<DoctorCheck> checks = [];
        List<string> names = [];
        var words = new Queue<string>(arguments);
        while (words.TryDequeue(out string? word))
        {
            switch (word)
            {
                case "--json":
                    json = true;
                    break;
                case "--check":
                    checks.Add(Doctor.Find(words.TryDequeue(out string? check) ? check : throw UsageException.Of("doctor")));
                    break;
                default:
                    names.Add(word.StartsWith('-') ? throw UsageException.UnknownOption("doctor", word) : word);
                    break;
            }
        }

        if (names.Count > 1)
        {
            throw UsageException.Of("doctor");
        }

        string name = names.Count == 1 ? names[0] : StatCommand.OnlyInterface();
        TunnelBoxSettings settings = SettingsReader.Load(name);
        using Progress progress = new($"{name}: being looked at");
        DoctorReport report = Doctor.Run(DoctorContext.Read(new ControlClient(name, settings.RuntimeDirectory), settings), checks.Count > 0 ? checks : Doctor.All);
        if (json)
        {
            CommandLine.PrintJson(report, DiagnosisJson.Default.DoctorReport);
        }
        else
        {
            CommandLine.Print(Text(report));
        }

        return report.Findings.Any(finding => finding.Status == CheckStatus.Fail) ? ExitCode.Failed : ExitCode.Done;
    }

    private static string Text(DoctorReport report)
    {
        StringBuilder text = new();
        foreach (Finding finding in report.Findings)
        {
            string peer = finding.Peer is null ? string.Empty : finding.Peer + ": ";
            text.Append(CultureInfo.InvariantCulture, $"{finding.Status.ToString().ToLowerInvariant()}  {finding.Check,-12} {peer}{finding.Message}\n");
            if (finding.Guesses is { } guesses)
            {
                foreach (Guess guess in guesses)
                {
                    text.Append(CultureInfo.InvariantCulture, $"      {string.Empty,-12} {guess.Cause}? {guess.Remedy}\n");
                }
            }
            else if (finding.Remedy is { } remedy && finding.Status != CheckStatus.Pass)
            {
                text.Append(CultureInfo.InvariantCulture, $"      {string.Empty,-12} {remedy}\n");
            }
        }

        IEnumerable<string> counts = report.Findings.CountBy(finding => finding.Status).OrderBy(count => count.Key).Select(count => $"{count.Value} {count.Key.ToString().ToLowerInvariant()}");
        return text.Append(CultureInfo.InvariantCulture, $"{report.Interface}: {string.Join(", ", counts)}, in {report.Seconds:0.0} s\n").ToString();
    }
}
