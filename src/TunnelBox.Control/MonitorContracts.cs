using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>The request <c>monitor</c>: a line for every step of a handshake or session, until the client leaves.</summary>
public sealed record MonitorRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "monitor";
}

/// <summary>One step.</summary>
public sealed record MonitorLine
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets when it happened.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Gets the interface's name.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets the step, as the tracing probes are named, or <c>name_resolved</c>, <c>name_failed</c>, <c>mtu_change</c>, <c>port_change</c>, <c>steer_ineffective</c>; <c>watching</c> at first, <c>lost</c> where the client was too slow.</summary>
    public required string Event { get; init; }

    /// <summary>Gets the peer's public key, or null for unknown.</summary>
    public string? Peer { get; init; }

    /// <summary>Gets the peer's name, where it has one.</summary>
    public string? PeerName { get; init; }

    /// <summary>Gets what the step says, for people.</summary>
    public string? Detail { get; init; }

    /// <summary>Gets the drop reason with which a handshake ended or a message was refused, or null.</summary>
    public string? Reason { get; init; }

    /// <summary>Gives the line as people read it.</summary>
    /// <returns>Time, interface, step, peer, what it says, and the reason, without an end of line.</returns>
    public string ToText()
    {
        var text = new StringBuilder(Time.ToLocalTime().ToString("HH:mm:ss.ffffff", CultureInfo.InvariantCulture));
        text.Append($" {Interface} {Event}");
        if (Peer is not null)
        {
            text.Append($" peer {PeerName ?? Peer}");
        }

        text.Append(string.IsNullOrEmpty(Detail) ? string.Empty : $" {Detail}");
        return text.Append(Reason is null ? string.Empty : $" reason {Reason}").ToString();
    }
}

/// <summary>How the contracts of <c>monitor</c> are read and written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MonitorRequest))]
[JsonSerializable(typeof(MonitorLine))]
public sealed partial class MonitorJson : JsonSerializerContext;
