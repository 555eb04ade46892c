namespace TunnelBox.Crypto;

/// <summary>The one place where long-lived secrets are kept.</summary>
public sealed class KeyArena
{
}
