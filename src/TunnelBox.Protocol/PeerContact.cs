namespace TunnelBox.Protocol;

/// <summary>When a peer was last heard and last asked; what people judge a peer by, and never an old handshake.</summary>
/// <param name="ReceivedAge">Nanoseconds since something authenticated arrived, or null for never.</param>
/// <param name="AskedAge">Nanoseconds since the last handshake initiation left, or null for never.</param>
/// <param name="IsUnanswered">
/// Whether the peer owes an answer: an initiation left, REKEY_TIMEOUT passed (or it was repeated for that reason), and nothing authenticated has arrived since.
/// </param>
public readonly record struct PeerContact(long? ReceivedAge, long? AskedAge, bool IsUnanswered);
