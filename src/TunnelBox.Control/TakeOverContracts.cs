using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>
/// The request <c>take-over</c>: another process of the daemon's own user wants to go on in its place. The answer is one line with the descriptors of the
/// interface's queues and of the UDP sockets beside it; then the two exchange the words of <see cref="TakeOverWord"/>, and once a block with the sessions.
/// </summary>
public sealed record TakeOverRequest : ControlRequest
{
    /// <summary>The verb.</summary>
    public const string VerbName = "take-over";

    /// <summary>The form of the block with the sessions; another form is refused.</summary>
    public const int CurrentForm = 1;

    /// <summary>Gets the form that the new process reads.</summary>
    public int Form { get; init; } = CurrentForm;
}

/// <summary>The answer to <c>take-over</c>.</summary>
public sealed record TakeOverAnswer
{
    /// <summary>Gets the version of the protocol.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the queues of the interface; as many descriptors come first.</summary>
    public required int Queues { get; init; }

    /// <summary>Gets the UDP port; 0 while the interface is down.</summary>
    public required ushort Port { get; init; }

    /// <summary>Gets, for each queue, whether an IPv4 and an IPv6 socket follow, in this order.</summary>
    public required IReadOnlyList<bool> Sockets { get; init; }

    /// <summary>Gets a value indicating whether the interface is up.</summary>
    public required bool Up { get; init; }

    /// <summary>Gets the interface's MTU in bytes.</summary>
    public required int Mtu { get; init; }

    /// <summary>Gets a value indicating whether the MTU follows the route to the endpoints.</summary>
    public required bool MtuFollows { get; init; }
}

/// <summary>What the two processes of a take-over say to each other, a byte each.</summary>
public static class TakeOverWord
{
    /// <summary>New: all is prepared; stop, and send the sessions.</summary>
    public const byte Ready = (byte)'R';

    /// <summary>New: the sessions are taken; nothing has been sent yet.</summary>
    public const byte Loaded = (byte)'L';

    /// <summary>Old, as a block of one byte: they are yours; from here on the old process sends nothing any more.</summary>
    public const byte Go = (byte)'G';

    /// <summary>Old, as a block of one byte: the devices that it had AF_XDP sockets on are free.</summary>
    public const byte Released = (byte)'F';
}

/// <summary>How the contracts of <c>take-over</c> are read and written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TakeOverRequest))]
[JsonSerializable(typeof(TakeOverAnswer))]
public sealed partial class TakeOverJson : JsonSerializerContext;
