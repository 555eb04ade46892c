using System.Text.RegularExpressions;

namespace TunnelBox.Architecture.Tests;

/// <summary>No packet ends without a name: each rule answers with one sentence a violation.</summary>
internal static partial class DropRules
{
    private const string Registry = "src/TunnelBox.Visibility/DropReason.cs";

    // Every place that ends a packet's way by calling it done, with how often, and why that is no drop.
    private static readonly Dictionary<string, (int Times, string Why)> s_done = new(StringComparer.Ordinal)
    {
        ["src/TunnelBox.DataPath/Inbound.cs"] = (2, "a handshake message went to its queue; a keepalive has no packet inside"),
        ["src/TunnelBox.DataPath/Outbound.cs"] = (1, "a copy waits in the peer's queue"),
        ["src/TunnelBox.DataPath/Tun/TunWriter.cs"] = (1, "the kernel took it"),
        ["src/TunnelBox.DataPath/Udp/UdpSender.cs"] = (2, "the kernel took it"),
        ["src/TunnelBox.DataPath/Xdp/GatewayPort.cs"] = (1, "it stands in the transmit ring"),
        ["src/TunnelBox.DataPath/Xdp/XdpPort.cs"] = (1, "it stands in the transmit ring"),
        ["src/TunnelBox.DataPath/WarmUp.cs"] = (1, "the other end in the process took it"),
    };

    /// <summary>Only <c>Burst.Drop</c> sets the verdict, and it asks for a reason.</summary>
    public static IEnumerable<string> DropsGoThroughOneMethod(House house) => Sources(house)
        .Where(s => s.Path != "src/TunnelBox.DataPath/Burst.cs" && DroppedAssigned().IsMatch(s.Code))
        .Select(s => $"{s.Path}: sets a verdict to Dropped by itself; call Burst.Drop with a reason.");

    /// <summary>A reason that is passed on is never None.</summary>
    public static IEnumerable<string> NothingIsDroppedForNoReason(House house) => Sources(house)
        .Where(s => DroppedForNone().IsMatch(s.Code))
        .Select(s => $"{s.Path}: drops with DropReason.None, which counts nothing.");

    /// <summary>A packet is called done only where it was handed on.</summary>
    public static IEnumerable<string> DoneMeansHandedOn(House house)
    {
        foreach (SourceFile source in Sources(house))
        {
            int times = DoneAssigned().Count(source.Code);
            int known = s_done.GetValueOrDefault(source.Path).Times;
            if (times != known)
            {
                yield return $"{source.Path}: calls packets done in {times} places, {known} are known to hand them on; use Burst.Drop, or say why it is no drop.";
            }
        }
    }

    /// <summary>What a queue throws away, and what cannot be sent, is looked at by whoever asked for it.</summary>
    public static IEnumerable<string> AnswersAreTaken(House house) => Sources(house)
        .Where(s => s.Path != "src/TunnelBox.DataPath/WarmUp.cs") // no packet of a user passes there
        .SelectMany(s => AnswerIgnored().Matches(s.Code).Select(match => (s.Path, match.Value)))
        .Select(s => $"{s.Path}: ignores the answer of {s.Value.Trim()} so a drop has no name.");

    /// <summary>Every reason of the registry is given by code of the product.</summary>
    public static IEnumerable<string> EveryReasonIsGiven(House house) =>
        Unmentioned(house, s => s.Path.StartsWith("src/", StringComparison.Ordinal) && s.Project != "TunnelBox.Visibility")
            .Select(name => $"{Registry}: no code ever gives {name}.");

    /// <summary>Every reason of the registry is produced by a test of the code that gives it.</summary>
    public static IEnumerable<string> EveryReasonIsProduced(House house) =>
        Unmentioned(house, s => s.Path.StartsWith("tests/", StringComparison.Ordinal) && s.Project is not ("TunnelBox.Visibility.Tests" or "TunnelBox.Architecture.Tests"))
            .Select(name => $"{Registry}: no test ever produces {name}.");

    private static IEnumerable<SourceFile> Sources(House house) => house.Sources
        .Where(s => s.Path.StartsWith("src/", StringComparison.Ordinal) && !s.IsGenerated);

    private static IEnumerable<string> Unmentioned(House house, Func<SourceFile, bool> where)
    {
        SourceFile? registry = house.Sources.Find(s => s.Path == Registry);
        if (registry is null)
        {
            return [$"{Registry} itself"];
        }

        var mentioned = house.Sources.Where(where)
            .SelectMany(s => ReasonMentioned().Matches(s.Code).Select(match => match.Groups["name"].Value))
            .ToHashSet(StringComparer.Ordinal);
        return ReasonDeclared().Matches(registry.Code).Select(match => match.Groups["name"].Value).Where(name => !mentioned.Contains(name));
    }

    [GeneratedRegex(@"[^=!<>]=\s*(DataPath\.)?Verdict\.Dropped\s*[;,)]", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex DroppedAssigned();

    [GeneratedRegex(@"\b(Drop|Dropped|CountDrop)\([^;{]*DropReason\.None\b", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex DroppedForNone();

    [GeneratedRegex(@"[^=!<>]=\s*(DataPath\.)?Verdict\.Done\b", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex DoneAssigned();

    [GeneratedRegex(@"(?<=[;{}]\s*)(_ = )?[\w.]*(SendDatagram|HandleHandshake|Admit|Staged\.Add)\(", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex AnswerIgnored();

    [GeneratedRegex(@"\bDropReason\.(?<name>\w+)", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex ReasonMentioned();

    [GeneratedRegex(@"^\s+(?<name>(In|Out)[A-Z]\w+),", RegexOptions.ExplicitCapture | RegexOptions.Multiline, 10_000)]
    private static partial Regex ReasonDeclared();
}
