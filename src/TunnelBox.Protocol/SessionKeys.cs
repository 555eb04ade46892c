using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>What a handshake leaves: the keys and names of one session. The receiver of this value returns both keys to the arena.</summary>
/// <param name="SendKey">Key of packets to the peer.</param>
/// <param name="ReceiveKey">Key of packets from the peer.</param>
/// <param name="LocalIndex">The index by which the peer names the session to us.</param>
/// <param name="RemoteIndex">The index by which we name the session to the peer.</param>
/// <param name="IsInitiator">Whether we started the handshake.</param>
public readonly record struct SessionKeys(KeyHandle SendKey, KeyHandle ReceiveKey, uint LocalIndex, uint RemoteIndex, bool IsInitiator);
