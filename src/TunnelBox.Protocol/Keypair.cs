namespace TunnelBox.Protocol;

/// <summary>One session: the two transport keys that a handshake made (WireGuard paper, section 5.4.5).</summary>
public sealed class Keypair
{
}
