using System.Security.Cryptography;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>
/// Noise's symmetric state (Noise specification, section 5.2): chaining key, hash and the key of the next message part, in
/// memory of the caller, who wipes it on every path.
/// </summary>
/// <param name="storage"><see cref="Size"/> bytes.</param>
internal readonly ref struct SymmetricState(Span<byte> storage)
{
    /// <summary>Bytes of storage.</summary>
    internal const int Size = 3 * Blake2s.HashSize;

    private const int HashSize = Blake2s.HashSize;

    private static readonly byte[] ProtocolChainingKey = GetProtocolChainingKey();
    private static readonly byte[] ProtocolHash = GetProtocolHash();

    private readonly Span<byte> _storage = storage[..Size];

    /// <summary>Gets the chaining key.</summary>
    internal Span<byte> ChainingKey => _storage[..HashSize];

    /// <summary>Gets the hash of everything both sides have seen.</summary>
    internal Span<byte> Hash => _storage.Slice(HashSize, HashSize);

    /// <summary>Gets the key of the next message part.</summary>
    private Span<byte> Key => _storage[(2 * HashSize)..];

    /// <summary>Computes the hash that begins a handshake with a responder: protocol, prologue and the responder's static key.</summary>
    internal static void GetInitialHash(in PublicKey responder, Span<byte> hash)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        responder.CopyTo(key);
        Blake2s.Hash(ProtocolHash, key, hash);
    }

    /// <summary>Begins a handshake.</summary>
    /// <param name="initialHash">What <see cref="GetInitialHash"/> gave for the responder.</param>
    internal void Start(ReadOnlySpan<byte> initialHash)
    {
        ProtocolChainingKey.CopyTo(ChainingKey);
        initialHash.CopyTo(Hash);
    }

    /// <summary>Mixes bytes that both sides know into the hash.</summary>
    internal void MixHash(ReadOnlySpan<byte> data) => Blake2s.Hash(Hash, data, Hash);

    /// <summary>Mixes bytes into the chaining key where no message part follows.</summary>
    internal void MixChain(ReadOnlySpan<byte> input) => NoiseKdf.Kdf1(ChainingKey, input, ChainingKey);

    /// <summary>Mixes bytes into the chaining key and makes the key of the next message part.</summary>
    internal void MixKey(ReadOnlySpan<byte> input) => NoiseKdf.Kdf2(ChainingKey, input, ChainingKey, Key);

    /// <summary>Mixes an ephemeral public key into hash and chaining key, as the token e does where there is a preshared key.</summary>
    internal void MixEphemeral(ReadOnlySpan<byte> ephemeral)
    {
        MixHash(ephemeral);
        MixChain(ephemeral);
    }

    /// <summary>Mixes a Diffie-Hellman secret into the chaining key and makes the key of the next message part.</summary>
    /// <returns>False where the public key is of low order; nothing was mixed then.</returns>
    internal bool TryMixSharedSecret(ReadOnlySpan<byte> privateKey, in PublicKey publicKey)
    {
        Span<byte> secret = stackalloc byte[Curve25519.Size];
        bool done = Curve25519.TryGetSharedSecret(privateKey, publicKey, secret);
        if (done)
        {
            MixKey(secret);
        }

        CryptographicOperations.ZeroMemory(secret);
        return done;
    }

    /// <summary>Mixes a Diffie-Hellman secret into the chaining key where no message part follows.</summary>
    /// <returns>False where the public key is of low order; nothing was mixed then.</returns>
    internal bool TryChainSharedSecret(ReadOnlySpan<byte> privateKey, in PublicKey publicKey)
    {
        Span<byte> secret = stackalloc byte[Curve25519.Size];
        bool done = Curve25519.TryGetSharedSecret(privateKey, publicKey, secret);
        if (done)
        {
            MixChain(secret);
        }

        CryptographicOperations.ZeroMemory(secret);
        return done;
    }

    /// <summary>Mixes the preshared key, as the token psk does. No key counts as 32 zero bytes.</summary>
    internal void MixPresharedKey(KeyHandle presharedKey)
    {
        Span<byte> none = stackalloc byte[KeyArena.KeySize];
        none.Clear();
        Span<byte> mixed = stackalloc byte[HashSize];
        NoiseKdf.Kdf3(ChainingKey, presharedKey.IsNone ? none : KeyArena.DangerousGetSpan(presharedKey), ChainingKey, mixed, Key);
        MixHash(mixed);
        CryptographicOperations.ZeroMemory(mixed);
    }

    /// <summary>Seals a message part and mixes the ciphertext into the hash.</summary>
    /// <param name="plaintext">The part.</param>
    /// <param name="destination">16 bytes more than the part.</param>
    internal void Seal(ReadOnlySpan<byte> plaintext, Span<byte> destination)
    {
        ChaChaPoly.Seal(Key, 0, Hash, plaintext, destination);
        MixHash(destination);
    }

    /// <summary>Opens a message part and mixes its ciphertext into the hash.</summary>
    /// <param name="ciphertext">The sealed part.</param>
    /// <param name="destination">16 bytes less.</param>
    /// <returns>Whether the tag was right; the hash is unchanged where it was not.</returns>
    internal bool TryOpen(ReadOnlySpan<byte> ciphertext, Span<byte> destination)
    {
        if (!ChaChaPoly.TryOpen(Key, 0, Hash, ciphertext, destination))
        {
            return false;
        }

        MixHash(ciphertext);
        return true;
    }

    private static byte[] GetProtocolChainingKey()
    {
        byte[] hash = new byte[HashSize];
        Blake2s.Hash("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8, hash);
        return hash;
    }

    private static byte[] GetProtocolHash()
    {
        byte[] hash = new byte[HashSize];
        Blake2s.Hash(ProtocolChainingKey, "WireGuard v1 zx2c4 Jason@zx2c4.com"u8, hash);
        return hash;
    }
}
