using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>Our own static key pair. It is replaced, never changed; disposing wipes the private key.</summary>
public sealed class Identity : IDisposable
{
    private readonly KeyArena _arena;
    private readonly byte[] _initialHash = new byte[Blake2s.HashSize];
    private bool _disposed;

    /// <summary>Takes a private key in.</summary>
    /// <param name="arena">Where the private key is kept.</param>
    /// <param name="privateKey">Exactly 32 bytes; clamped on the way in. The caller wipes its own copy.</param>
    /// <exception cref="ArgumentException">The key is not 32 bytes long.</exception>
    public Identity(KeyArena arena, ReadOnlySpan<byte> privateKey)
    {
        ArgumentNullException.ThrowIfNull(arena);
        _arena = arena;
        PrivateKey = arena.Rent(privateKey);
        Span<byte> kept = KeyArena.DangerousGetSpan(PrivateKey);
        Curve25519.Clamp(kept);
        PublicKey = Curve25519.GetPublicKey(kept);
        SymmetricState.GetInitialHash(PublicKey, _initialHash);
    }

    /// <summary>Gets our public key.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>Gets the private key's place.</summary>
    internal KeyHandle PrivateKey { get; }

    /// <summary>Gets the handshake hash with which every initiation to us begins.</summary>
    internal ReadOnlySpan<byte> InitialHash => _initialHash;

    /// <summary>Copies the private key out, for the control socket.</summary>
    /// <param name="destination">Exactly 32 bytes; the caller wipes them after use.</param>
    /// <exception cref="ObjectDisposedException">The key was wiped.</exception>
    public void CopyPrivateKey(Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        KeyArena.DangerousGetSpan(PrivateKey).CopyTo(destination);
    }

    /// <summary>Wipes the private key.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _arena.Return(PrivateKey);
        }
    }
}
