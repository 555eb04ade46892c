using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>The peers of a tunnel as those see them who look after the names of their endpoints.</summary>
public interface INamedPeers
{
    /// <summary>Looks at a peer.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="contact">Receives when it was heard and asked.</param>
    /// <param name="endpoint">Receives where it is; none while unknown.</param>
    /// <returns>Whether there is such a peer.</returns>
    bool TryLook(PublicKey peer, out PeerContact contact, out EndpointAddress endpoint);

    /// <summary>Sends to a peer at another address from now on, and asks it for a handshake there where it has anything to say to it.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="to">Where it is now.</param>
    /// <param name="name">The name that led there.</param>
    void Move(PublicKey peer, EndpointAddress to, string name);

    /// <summary>Tells the log and those who watch what became of a name.</summary>
    /// <param name="peer">Whose endpoint it is.</param>
    /// <param name="sentence">What became of it.</param>
    /// <param name="failed">Whether it did not resolve.</param>
    void Tell(PublicKey peer, string sentence, bool failed);
}
