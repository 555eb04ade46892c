using System.Buffers.Binary;
using System.Security.Cryptography;
using TunnelBox.Crypto.Sodium;

namespace TunnelBox.Crypto;

/// <summary>
/// ChaCha20-Poly1305 (RFC 8439) for single short messages with associated data: the handshake's cipher. Packets go through
/// <see cref="IPacketAead"/>.
/// </summary>
public static unsafe class ChaChaPoly
{
    /// <summary>Bytes in a key.</summary>
    public const int KeySize = 32;

    /// <summary>Bytes in a nonce.</summary>
    public const int NonceSize = 12;

    /// <summary>Bytes that sealing adds.</summary>
    public const int TagSize = 16;

    /// <summary>Seals a message with WireGuard's nonce: four zero bytes and a little-endian counter.</summary>
    /// <param name="key">Exactly 32 bytes.</param>
    /// <param name="counter">The counter.</param>
    /// <param name="associatedData">Bytes that the tag also covers.</param>
    /// <param name="plaintext">The message.</param>
    /// <param name="destination">Exactly 16 bytes more than the message.</param>
    public static void Seal(
        ReadOnlySpan<byte> key, ulong counter, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> destination)
    {
        Span<byte> nonce = stackalloc byte[NonceSize];
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
        Seal(key, nonce, associatedData, plaintext, destination);
    }

    /// <summary>Opens a message with WireGuard's nonce: four zero bytes and a little-endian counter.</summary>
    /// <param name="key">Exactly 32 bytes.</param>
    /// <param name="counter">The counter.</param>
    /// <param name="associatedData">Bytes that the tag also covers.</param>
    /// <param name="ciphertext">The sealed message with its tag.</param>
    /// <param name="destination">Exactly 16 bytes less than the ciphertext; zeroed where the tag is wrong.</param>
    /// <returns>Whether the tag was right.</returns>
    public static bool TryOpen(
        ReadOnlySpan<byte> key, ulong counter, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, Span<byte> destination)
    {
        Span<byte> nonce = stackalloc byte[NonceSize];
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
        return TryOpen(key, nonce, associatedData, ciphertext, destination);
    }

    /// <summary>Seals with any nonce, as the vectors of RFC 8439 need it.</summary>
    internal static void Seal(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> plaintext,
        Span<byte> destination)
    {
        RequireSizes(key.Length, plaintext.Length, destination.Length);
        Libsodium.EnsureInitialised();
        fixed (byte* c = destination, m = plaintext, ad = associatedData, n = nonce, k = key)
        {
            _ = Libsodium.crypto_aead_chacha20poly1305_ietf_encrypt(
                c, null, m, (ulong)plaintext.Length, ad, (ulong)associatedData.Length, null, n, k);
        }
    }

    /// <summary>Opens with any nonce, as the vectors of RFC 8439 need it.</summary>
    internal static bool TryOpen(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> ciphertext,
        Span<byte> destination)
    {
        RequireSizes(key.Length, destination.Length, ciphertext.Length);
        Libsodium.EnsureInitialised();
        int status;
        fixed (byte* m = destination, c = ciphertext, ad = associatedData, n = nonce, k = key)
        {
            status = Libsodium.crypto_aead_chacha20poly1305_ietf_decrypt(
                m, null, null, c, (ulong)ciphertext.Length, ad, (ulong)associatedData.Length, n, k);
        }

        if (status == 0)
        {
            return true;
        }

        CryptographicOperations.ZeroMemory(destination);
        return false;
    }

    private static void RequireSizes(int keySize, int plainSize, int sealedSize)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(keySize, KeySize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(sealedSize, plainSize + TagSize);
    }
}
