using System.Security.Cryptography;
using TunnelBox.Crypto.Sodium;

namespace TunnelBox.Crypto;

/// <summary>X25519 (RFC 7748): private keys and shared secrets of 32 bytes.</summary>
public static unsafe class Curve25519
{
    /// <summary>Bytes in a private key and in a shared secret.</summary>
    public const int Size = 32;

    /// <summary>Sets the fixed bits of a private key (RFC 7748, section 5), as every WireGuard stores it.</summary>
    /// <param name="privateKey">Exactly 32 bytes, changed in place.</param>
    public static void Clamp(Span<byte> privateKey)
    {
        RequireSize(privateKey, nameof(privateKey));
        privateKey[0] &= 248;
        privateKey[31] = (byte)((privateKey[31] & 127) | 64);
    }

    /// <summary>Draws a private key.</summary>
    /// <param name="random">The source.</param>
    /// <param name="privateKey">Exactly 32 bytes; receives the clamped key.</param>
    public static void GeneratePrivateKey(RandomSource random, Span<byte> privateKey)
    {
        ArgumentNullException.ThrowIfNull(random);
        RequireSize(privateKey, nameof(privateKey));
        random.Fill(privateKey);
        Clamp(privateKey);
    }

    /// <summary>Computes the public key of a private key.</summary>
    /// <param name="privateKey">Exactly 32 bytes.</param>
    /// <returns>The public key.</returns>
    public static PublicKey GetPublicKey(ReadOnlySpan<byte> privateKey)
    {
        RequireSize(privateKey, nameof(privateKey));
        Libsodium.EnsureInitialised();
        Span<byte> bytes = stackalloc byte[PublicKey.Size];
        fixed (byte* q = bytes, n = privateKey)
        {
            _ = Libsodium.crypto_scalarmult_curve25519_base(q, n);
        }

        return new PublicKey(bytes);
    }

    /// <summary>
    /// Computes the secret shared with a public key. A public key of low order, with which the secret would not depend on
    /// our key, is refused.
    /// </summary>
    /// <param name="privateKey">Exactly 32 bytes.</param>
    /// <param name="publicKey">The other side's key.</param>
    /// <param name="secret">Exactly 32 bytes; receives the secret, or zeros on refusal.</param>
    /// <returns>Whether there is a secret.</returns>
    public static bool TryGetSharedSecret(ReadOnlySpan<byte> privateKey, in PublicKey publicKey, Span<byte> secret)
    {
        RequireSize(privateKey, nameof(privateKey));
        RequireSize(secret, nameof(secret));
        Libsodium.EnsureInitialised();
        Span<byte> point = stackalloc byte[PublicKey.Size];
        publicKey.CopyTo(point);
        int status;
        bool isZero;
        fixed (byte* q = secret, n = privateKey, p = point)
        {
            status = Libsodium.crypto_scalarmult_curve25519(q, n, p);
            isZero = Libsodium.sodium_is_zero(q, Size) != 0;
        }

        if (status == 0 && !isZero)
        {
            return true;
        }

        CryptographicOperations.ZeroMemory(secret);
        return false;
    }

    private static void RequireSize(ReadOnlySpan<byte> bytes, string name)
    {
        if (bytes.Length != Size)
        {
            throw new ArgumentException("A Curve25519 key is 32 bytes.", name);
        }
    }
}
