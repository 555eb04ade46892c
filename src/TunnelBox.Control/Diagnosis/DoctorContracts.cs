using System.Text.Json.Serialization;

namespace TunnelBox.Control.Diagnosis;

/// <summary>How a check ended; the order is that in which people should read.</summary>
public enum CheckStatus
{
    /// <summary>Something is wrong.</summary>
    [JsonStringEnumMemberName("fail")]
    Fail,

    /// <summary>Something may become wrong, or slow.</summary>
    [JsonStringEnumMemberName("warn")]
    Warn,

    /// <summary>It could not be checked, or there is nothing to check.</summary>
    [JsonStringEnumMemberName("skip")]
    Skip,

    /// <summary>It is as it should be.</summary>
    [JsonStringEnumMemberName("pass")]
    Pass,
}

/// <summary>The names of causes, which stay the same when sentences change.</summary>
public static class Causes
{
    /// <summary>A key that is not the other end's.</summary>
    public const string WrongKey = "wrong-key";

    /// <summary>An address or port at which no tunnel listens.</summary>
    public const string WrongPort = "wrong-port";

    /// <summary>A prefix that stands at two peers, or at the wrong one.</summary>
    public const string AllowedIps = "overlapping-allowed-ips";

    /// <summary>A path that is narrower than the tunnel's packets.</summary>
    public const string Mtu = "mtu";

    /// <summary>A clock that went back.</summary>
    public const string Clock = "clock";

    /// <summary>An address translator that forgot the mapping.</summary>
    public const string Nat = "nat-timeout";

    /// <summary>A route that is missing.</summary>
    public const string Route = "no-route";

    /// <summary>Reverse-path filtering that does not believe a source.</summary>
    public const string ReversePath = "rp-filter";

    /// <summary>A firewall.</summary>
    public const string Firewall = "firewall";

    /// <summary>An XDP program of somebody else.</summary>
    public const string Xdp = "xdp-program";

    /// <summary>A host name that means another address by now.</summary>
    public const string DnsStale = "dns-stale";

    /// <summary>Preshared keys that differ.</summary>
    public const string PresharedKey = "preshared-key";
}

/// <summary>One possible cause, where the evidence is at the other end.</summary>
/// <param name="Cause">Its name, one of <see cref="Causes"/>.</param>
/// <param name="Remedy">What to do, one sentence.</param>
public sealed record Guess(string Cause, string Remedy);

/// <summary>What a check found.</summary>
public sealed record Finding
{
    /// <summary>Gets the check's name.</summary>
    public string Check { get; init; } = string.Empty;

    /// <summary>Gets how it ended.</summary>
    public required CheckStatus Status { get; init; }

    /// <summary>Gets the peer it is about, by name or key; null for the whole tunnel.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets what was found, one sentence.</summary>
    public required string Message { get; init; }

    /// <summary>Gets what to do, one sentence; null where there is nothing to do.</summary>
    public string? Remedy { get; init; }

    /// <summary>Gets the cause, where the evidence for it is here.</summary>
    public string? Cause { get; init; }

    /// <summary>Gets the possible causes, the likeliest first, where it is not.</summary>
    public IReadOnlyList<Guess>? Guesses { get; init; }

    internal static Finding Pass(string message) => new() { Status = CheckStatus.Pass, Message = message };

    internal static Finding Skip(string message, string? remedy = null) => new() { Status = CheckStatus.Skip, Message = message, Remedy = remedy };

    internal static Finding Warn(string message, string remedy, string? cause = null) => new() { Status = CheckStatus.Warn, Message = message, Remedy = remedy, Cause = cause };

    internal static Finding Fail(string message, string remedy, string? cause = null) => new() { Status = CheckStatus.Fail, Message = message, Remedy = remedy, Cause = cause };
}

/// <summary>What <c>tunnelctl doctor --json</c> prints; configs/schema/doctor.json is its schema.</summary>
public sealed record DoctorReport
{
    /// <summary>Gets the version of the schema.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the interface.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets the seconds that it took.</summary>
    public required double Seconds { get; init; }

    /// <summary>Gets what was found: fail before warn, skip and pass; causes with evidence first.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }
}

/// <summary>How the contracts of <c>doctor</c> and <c>explain</c> are written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(ExplainReport))]
public sealed partial class DiagnosisJson : JsonSerializerContext;
