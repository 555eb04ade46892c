using System.Text.Json;
using TunnelBox.Control.Tests;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>A finding of <c>tunnelctl doctor --json</c>.</summary>
internal sealed record Finding(string Check, string Status, string Message, string? Cause, string[] Guesses);

/// <summary>What <c>tunnelctl doctor --json</c> said; it is checked against its schema.</summary>
internal sealed record Diagnosis(double Seconds, IReadOnlyList<Finding> Findings)
{
    /// <summary>What may be the cause, the likeliest first: causes with evidence, then guesses.</summary>
    public string[] Suspects => [.. Findings.SelectMany(finding => finding.Cause is { } cause ? [cause] : finding.Guesses).Distinct()];

    /// <summary>The causes for which there is evidence.</summary>
    public string[] Causes => [.. Findings.Where(finding => finding.Cause is not null).Select(finding => finding.Cause!).Distinct()];

    /// <summary>Runs it.</summary>
    public static async Task<Diagnosis> OfAsync(TunnelEnd end, string? check = null, IReadOnlyDictionary<string, string?>? environment = null)
    {
        string[] more = check is null ? [] : ["--check", check];
        CommandResult result = await end.Inner.TryAsync([TunnelProgram.Tunnelctl, "doctor", end.Interface, "--json", .. more], environment);
        return result.ExitCode is 0 or 1 && result.Output.Length > 0 ? Parse(result.Output) : throw new InvalidOperationException($"doctor ended with {result.ExitCode}: {result.Error}");
    }

    /// <summary>Reads what it wrote.</summary>
    public static Diagnosis Parse(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        Assert.Empty(JsonSchema.Load("doctor").Faults(document.RootElement));
        return new Diagnosis(
            document.RootElement.GetProperty("seconds").GetDouble(),
            [.. document.RootElement.GetProperty("findings").EnumerateArray().Select(finding => new Finding(
                finding.GetProperty("check").GetString()!,
                finding.GetProperty("status").GetString()!,
                finding.GetProperty("message").GetString()!,
                finding.TryGetProperty("cause", out JsonElement cause) ? cause.GetString() : null,
                finding.TryGetProperty("guesses", out JsonElement guesses) ? [.. guesses.EnumerateArray().Select(guess => guess.GetProperty("cause").GetString()!)] : []))]);
    }
}
