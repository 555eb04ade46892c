namespace TunnelBox.Protocol;

/// <summary>
/// What a receiver index can stand for: a handshake in progress (its <see cref="Peer"/>) or a session
/// (<see cref="Keypair"/>). Both draw from one space of random 32-bit numbers (WireGuard paper, section 5.4).
/// </summary>
public abstract class IndexOwner;
