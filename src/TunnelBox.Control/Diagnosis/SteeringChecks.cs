namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of steering rules: whether what was installed has its effect.</summary>
internal static class SteeringChecks
{
    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("steering", "whether steering rules that were taken are there and have an effect", static (context, _) => Rules(context)),
    ];

    private static List<Finding> Rules(DoctorContext context)
    {
        if (context.Steering is { Setting: "hw" } wanted && wanted.Backends.All(backend => backend.Name is "map" or "reuseport"))
        {
            string why = wanted.Choice is { Length: > 0 } choice ? choice : wanted.Note ?? "no reason given";
            return
            [
                Finding.Warn(
                    $"The setting Steering asks for rules in the card, which has none ({why}).",
                    "Traffic flows without them; set Steering to auto, or use a card with several receive queues and rules for flows (\"ethtool -n DEVICE\" shows whether it has any)."),
            ];
        }

        if (context.Steering is not { Backends.Count: > 0 } steering)
        {
            return [Finding.Skip($"Nothing is steered{(context.Steering?.Note is { } note ? $": {note}" : string.Empty)}.")];
        }

        List<Finding> findings = [];
        foreach (SteerRule rule in steering.Rules.Where(rule => rule.Reason == "ineffective"))
        {
            string whose = rule.PeerName ?? rule.Peer ?? rule.Match;
            findings.Add(Finding.Warn(
                $"A steering rule of {rule.Backend} for {whose} is installed but ineffective{(rule.Seen is { } seen ? $": packets come in by queue {seen} instead of {rule.Queue}" : string.Empty)}; it was withdrawn.",
                rule.Backend == "map"
                    ? $"Something else changes the XDP program's map; \"tunnelctl steer {context.Interface} --resync\" sends everything again."
                    : $"Update the card's firmware or driver, or set Steering to map; \"tunnelctl steer {context.Interface} --resync\" tries again."));
        }

        foreach (SteerBackend backend in steering.Backends.Where(backend => backend.Failed > 0 && findings.Count == 0))
        {
            string error = steering.Rules.FirstOrDefault(rule => rule.Backend == backend.Name && rule.Error is not null)?.Error ?? "no reason given";
            findings.Add(Finding.Warn($"{backend.Failed} steering rules were refused by {backend.Name}: {error}.", "Traffic flows without them; set Steering to map where the card cannot hold such rules."));
        }

        return findings.Count > 0 ? findings
            : [Finding.Pass($"{string.Join(", ", steering.Backends.Select(backend => $"{backend.Name} holds {backend.Verified + backend.Acknowledged} rules"))}, all of them with effect.")];
    }
}
