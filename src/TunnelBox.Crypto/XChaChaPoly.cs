using System.Security.Cryptography;
using TunnelBox.Crypto.Sodium;

namespace TunnelBox.Crypto;

/// <summary>XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), the cipher of cookie replies, with its random nonce of 24 bytes.</summary>
public static unsafe class XChaChaPoly
{
    /// <summary>Bytes in a key.</summary>
    public const int KeySize = 32;

    /// <summary>Bytes in a nonce.</summary>
    public const int NonceSize = 24;

    /// <summary>Bytes that sealing adds.</summary>
    public const int TagSize = 16;

    /// <summary>Seals a message.</summary>
    /// <param name="key">Exactly 32 bytes.</param>
    /// <param name="nonce">Exactly 24 bytes, random.</param>
    /// <param name="associatedData">Bytes that the tag also covers.</param>
    /// <param name="plaintext">The message.</param>
    /// <param name="destination">Exactly 16 bytes more than the message.</param>
    public static void Seal(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> plaintext,
        Span<byte> destination)
    {
        RequireSizes(key.Length, nonce.Length, plaintext.Length, destination.Length);
        Libsodium.EnsureInitialised();
        fixed (byte* c = destination, m = plaintext, ad = associatedData, n = nonce, k = key)
        {
            _ = Libsodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
                c, null, m, (ulong)plaintext.Length, ad, (ulong)associatedData.Length, null, n, k);
        }
    }

    /// <summary>Opens a message.</summary>
    /// <param name="key">Exactly 32 bytes.</param>
    /// <param name="nonce">Exactly 24 bytes.</param>
    /// <param name="associatedData">Bytes that the tag also covers.</param>
    /// <param name="ciphertext">The sealed message with its tag.</param>
    /// <param name="destination">Exactly 16 bytes less than the ciphertext; zeroed where the tag is wrong.</param>
    /// <returns>Whether the tag was right.</returns>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> ciphertext,
        Span<byte> destination)
    {
        RequireSizes(key.Length, nonce.Length, destination.Length, ciphertext.Length);
        Libsodium.EnsureInitialised();
        int status;
        fixed (byte* m = destination, c = ciphertext, ad = associatedData, n = nonce, k = key)
        {
            status = Libsodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
                m, null, null, c, (ulong)ciphertext.Length, ad, (ulong)associatedData.Length, n, k);
        }

        if (status == 0)
        {
            return true;
        }

        CryptographicOperations.ZeroMemory(destination);
        return false;
    }

    private static void RequireSizes(int keySize, int nonceSize, int plainSize, int sealedSize)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(keySize, KeySize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonceSize, NonceSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(sealedSize, plainSize + TagSize);
    }
}
