namespace TunnelBox.Protocol;

/// <summary>When a peer was last heard and last asked; what people judge a peer by, and never an old handshake.</summary>
/// <param name="ReceivedAge">Nanoseconds since something authenticated arrived, or null for never.</param>
/// <param name="AskedAge">Nanoseconds since the last handshake initiation left, or null for never.</param>
/// <param name="IsUnanswered">
/// Whether the peer owes an answer: an initiation left, REKEY_TIMEOUT passed (or it was repeated for that reason), and nothing authenticated has arrived since.
/// </param>
public readonly record struct PeerContact(long? ReceivedAge, long? AskedAge, bool IsUnanswered)
{
    /// <summary>Gets the nanoseconds since the first data packet that nothing authenticated has followed, or null where none waits for a sign.</summary>
    public long? DataUnansweredFor { get; init; }

    /// <summary>Gets the answers that were given to the peer's initiations one after the other without its ever using one.</summary>
    public int UnusedResponses { get; init; }
}

/// <summary>A session as people look at it.</summary>
/// <param name="LocalIndex">By what the peer names it.</param>
/// <param name="RemoteIndex">By what we name it.</param>
/// <param name="IsInitiator">Whether we began it.</param>
/// <param name="Age">Nanoseconds since it was made.</param>
/// <param name="SentPackets">Counters used for sending.</param>
/// <param name="CanSend">Whether it may still seal packets.</param>
public readonly record struct PeerSession(uint LocalIndex, uint RemoteIndex, bool IsInitiator, long Age, ulong SentPackets, bool CanSend);
