using System.Net;
using TunnelBox.Configuration;

namespace TunnelBox.Control;

/// <summary>Sends a file's names and host names to the daemon, where <c>status</c> and the resolver find them.</summary>
public static class PeerAnnotations
{
    /// <summary>Sends what a file says of its peers. Best effort: a daemon without a control socket goes without.</summary>
    /// <param name="client">The daemon.</param>
    /// <param name="file">The file.</param>
    /// <param name="replace">Whether what the daemon knew before leaves.</param>
    /// <returns>Whether the daemon took it.</returns>
    public static bool TrySend(ControlClient client, WgFile file, bool replace)
    {
        ArgumentNullException.ThrowIfNull(file);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return TrySend(client, [.. file.Peers.Select(peer => Of(peer, now)).Where(note => note.Name is not null || note.EndpointHost is not null)], replace);
    }

    /// <summary>Sends notes. Best effort: a daemon without a control socket goes without.</summary>
    /// <param name="client">The daemon.</param>
    /// <param name="notes">The notes.</param>
    /// <param name="replace">Whether what the daemon knew before leaves.</param>
    /// <returns>Whether the daemon took it.</returns>
    public static bool TrySend(ControlClient client, IReadOnlyList<PeerAnnotation> notes, bool replace)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(notes);
        if (notes.Count == 0 && !replace)
        {
            return true;
        }

        try
        {
            foreach (PeerAnnotation[] part in notes.Count == 0 ? [[]] : notes.Chunk(AnnotateRequest.MaxPeers))
            {
                client.Ask(
                    new AnnotateRequest { Verb = AnnotateRequest.VerbName, Replace = replace, Peers = part },
                    ControlJson.Default.AnnotateRequest,
                    ControlJson.Default.ControlDone);
                replace = false;
            }

            return true;
        }
        catch (ControlException)
        {
            // wireguard-go and others have no such socket, and a tunnel works without names.
            return false;
        }
    }

    /// <summary>Gives the note of an endpoint as somebody wrote it.</summary>
    /// <param name="publicKey">The peer's key.</param>
    /// <param name="endpoint">The endpoint, or null for none.</param>
    /// <param name="now">When it was resolved.</param>
    /// <returns>The note.</returns>
    public static PeerAnnotation Of(Crypto.PublicKey publicKey, HostPort? endpoint, DateTimeOffset now)
    {
        string? host = endpoint is not { } written ? null : IsAddress(written.Host) ? string.Empty : written.Host;
        return new PeerAnnotation
        {
            PublicKey = publicKey.ToString(),
            EndpointHost = host,
            EndpointPort = string.IsNullOrEmpty(host) ? (ushort)0 : endpoint!.Value.Port,
            ResolvedAt = string.IsNullOrEmpty(host) ? null : now,
        };
    }

    private static PeerAnnotation Of(WgPeer peer, DateTimeOffset now) => Of(peer.PublicKey, peer.Endpoint, now) with { Name = peer.Name };

    private static bool IsAddress(string host) => IPAddress.TryParse(host, out _);
}
