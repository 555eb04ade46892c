using System.Net;
using TunnelBox.Configuration;

namespace TunnelBox.Control;

/// <summary>Sends a file's names and host names to the daemon, where <c>status</c> and the resolver find them.</summary>
public static class PeerAnnotations
{
    /// <summary>Sends what a file says of its peers. Best effort: a daemon without a control socket goes without.</summary>
    /// <param name="client">The daemon.</param>
    /// <param name="file">The file.</param>
    /// <param name="names">What resolved the file's endpoints.</param>
    /// <param name="replace">Whether what the daemon knew before leaves.</param>
    /// <param name="mtu">Where the interface's MTU comes from, or null to say nothing of it.</param>
    /// <returns>Whether the daemon took it.</returns>
    public static bool TrySend(ControlClient client, WgFile file, EndpointResolver names, bool replace, MtuAnnotation? mtu = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        return TrySend(client, [.. file.Peers.Select(peer => Of(peer, names)).Where(note => note.Name is not null || note.EndpointHost is not null)], replace, mtu);
    }

    /// <summary>Sends notes. Best effort: a daemon without a control socket goes without.</summary>
    /// <param name="client">The daemon.</param>
    /// <param name="notes">The notes.</param>
    /// <param name="replace">Whether what the daemon knew before leaves.</param>
    /// <param name="mtu">Where the interface's MTU comes from, or null to say nothing of it.</param>
    /// <returns>Whether the daemon took it.</returns>
    public static bool TrySend(ControlClient client, IReadOnlyList<PeerAnnotation> notes, bool replace, MtuAnnotation? mtu = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(notes);
        if (notes.Count == 0 && !replace && mtu is null)
        {
            return true;
        }

        try
        {
            foreach (PeerAnnotation[] part in notes.Count == 0 ? [[]] : notes.Chunk(AnnotateRequest.MaxPeers))
            {
                client.Ask(
                    new AnnotateRequest { Verb = AnnotateRequest.VerbName, Replace = replace, Peers = part, Mtu = mtu },
                    ControlJson.Default.AnnotateRequest,
                    ControlJson.Default.ControlDone);
                replace = false;
                mtu = null;
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
    /// <param name="resolved">What it turned out to be, or null where nobody has asked.</param>
    /// <returns>The note.</returns>
    public static PeerAnnotation Of(Crypto.PublicKey publicKey, HostPort? endpoint, ResolvedEndpoint? resolved)
    {
        string? host = endpoint is not { } written ? null : IsAddress(written.Host) ? string.Empty : written.Host;
        return new PeerAnnotation
        {
            PublicKey = publicKey.ToString(),
            EndpointHost = host,
            EndpointPort = string.IsNullOrEmpty(host) ? (ushort)0 : endpoint!.Value.Port,
            EndpointAddresses = string.IsNullOrEmpty(host) ? null : resolved?.Addresses.Take(PeerAnnotation.MaxAddresses).Select(address => address.ToString()).ToArray(),
            ResolvedAt = string.IsNullOrEmpty(host) ? null : resolved?.At,
        };
    }

    private static PeerAnnotation Of(WgPeer peer, EndpointResolver names) =>
        Of(peer.PublicKey, peer.Endpoint, peer.Endpoint is { } endpoint ? names.Find(endpoint) : null) with { Name = peer.Name };

    private static bool IsAddress(string host) => IPAddress.TryParse(host, out _);
}
