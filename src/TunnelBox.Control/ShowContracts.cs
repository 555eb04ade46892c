using System.Text.Json.Serialization;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>What <c>tunnelctl show --json</c> prints, of any daemon that speaks UAPI; configs/schema/show.json is its schema. It holds no secret.</summary>
public sealed record ShowDocument
{
    /// <summary>Gets the version of the schema.</summary>
    public int Version { get; init; } = ControlSocket.Version;

    /// <summary>Gets the interfaces.</summary>
    public required IReadOnlyList<ShowInterface> Interfaces { get; init; }
}

/// <summary>An interface in <see cref="ShowDocument"/>.</summary>
public sealed record ShowInterface
{
    /// <summary>Gets the interface's name.</summary>
    public required string Interface { get; init; }

    /// <summary>Gets the public key, or null where no private key is set.</summary>
    public string? PublicKey { get; init; }

    /// <summary>Gets the UDP port, 0 while none is bound.</summary>
    public required int ListenPort { get; init; }

    /// <summary>Gets the firewall mark, 0 for none.</summary>
    public required uint FirewallMark { get; init; }

    /// <summary>Gets the peers, in the daemon's order.</summary>
    public required IReadOnlyList<ShowPeer> Peers { get; init; }

    /// <summary>Takes over what a daemon told, without its secrets.</summary>
    /// <param name="device">What it told.</param>
    /// <returns>The interface.</returns>
    public static ShowInterface Of(DeviceState device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new ShowInterface
        {
            Interface = device.Name,
            PublicKey = device.PrivateKey is { } key ? Curve25519.GetPublicKey(key).ToString() : null,
            ListenPort = device.ListenPort,
            FirewallMark = device.FirewallMark,
            Peers = [.. device.Peers.Select(ShowPeer.Of)],
        };
    }
}

/// <summary>A peer in <see cref="ShowInterface"/>.</summary>
public sealed record ShowPeer
{
    /// <summary>Gets the peer's public key.</summary>
    public required string PublicKey { get; init; }

    /// <summary>Gets a value indicating whether a preshared key is set; the key itself is not told.</summary>
    public required bool HasPresharedKey { get; init; }

    /// <summary>Gets where it is, or null while unknown.</summary>
    public string? Endpoint { get; init; }

    /// <summary>Gets its allowed IPs.</summary>
    public required IReadOnlyList<string> AllowedIps { get; init; }

    /// <summary>Gets when the last handshake was completed, or null for never.</summary>
    public DateTimeOffset? LatestHandshake { get; init; }

    /// <summary>Gets the bytes received.</summary>
    public required ulong ReceivedBytes { get; init; }

    /// <summary>Gets the bytes sent.</summary>
    public required ulong SentBytes { get; init; }

    /// <summary>Gets the seconds between keepalives, 0 for off.</summary>
    public required int PersistentKeepalive { get; init; }

    /// <summary>Takes over what a daemon told of a peer, without its secrets.</summary>
    /// <param name="peer">What it told.</param>
    /// <returns>The peer.</returns>
    public static ShowPeer Of(PeerStatus peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        return new ShowPeer
        {
            PublicKey = peer.PublicKey.ToString(),
            HasPresharedKey = peer.PresharedKey is not null,
            Endpoint = peer.Endpoint?.ToString(),
            AllowedIps = [.. peer.AllowedIps.Select(network => network.ToString())],
            LatestHandshake = peer.HandshakeSeconds == 0 ? null : Time(peer.HandshakeSeconds, peer.HandshakeNanoseconds),
            ReceivedBytes = peer.ReceivedBytes,
            SentBytes = peer.SentBytes,
            PersistentKeepalive = peer.PersistentKeepalive,
        };
    }

    // Another daemon's numbers may be anything.
    private static DateTimeOffset Time(long seconds, long nanoseconds) => DateTimeOffset
        .FromUnixTimeSeconds(Math.Clamp(seconds, 0, DateTimeOffset.MaxValue.ToUnixTimeSeconds()))
        .AddTicks(Math.Clamp(nanoseconds, 0, 999_999_999) / TimeSpan.NanosecondsPerTick);
}

/// <summary>How the contracts of <c>show --json</c> are written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ShowDocument))]
public sealed partial class ShowJson : JsonSerializerContext;
