using System.Buffers.Binary;
using TunnelBox.Crypto.Sodium;

namespace TunnelBox.Crypto;

/// <summary>The packet cipher of libsodium: one native call a packet.</summary>
/// <remarks>
/// Each call takes 0.4 to 2 µs, too long to keep the garbage collector waiting, so the ordinary transition of about 10 ns
/// stays.
/// </remarks>
public sealed unsafe class SodiumAead : IPacketAead
{
    /// <summary>Prepares libsodium.</summary>
    /// <exception cref="CryptoUnavailableException">libsodium is missing.</exception>
    public SodiumAead() => Libsodium.EnsureInitialised();

    /// <inheritdoc/>
    public string Name => "libsodium";

    /// <inheritdoc/>
    public void Seal(Span<AeadJob> jobs)
    {
        byte* nonce = stackalloc byte[ChaChaPoly.NonceSize];
        *(uint*)nonce = 0;
        foreach (ref AeadJob job in jobs)
        {
            WriteCounter(nonce, job.Counter);
            _ = Libsodium.crypto_aead_chacha20poly1305_ietf_encrypt(
                (byte*)job.Destination, null, (byte*)job.Source, (ulong)job.Length, null, 0, null, nonce, (byte*)job.Key.Address);
        }
    }

    /// <inheritdoc/>
    public void Open(Span<AeadJob> jobs)
    {
        byte* nonce = stackalloc byte[ChaChaPoly.NonceSize];
        *(uint*)nonce = 0;
        foreach (ref AeadJob job in jobs)
        {
            WriteCounter(nonce, job.Counter);
            // libsodium checks the tag before it decrypts and zeroes the destination where the tag is wrong.
            job.Opened = Libsodium.crypto_aead_chacha20poly1305_ietf_decrypt(
                (byte*)job.Destination, null, null, (byte*)job.Source, (ulong)job.Length + ChaChaPoly.TagSize, null, 0, nonce, (byte*)job.Key.Address) == 0;
        }
    }

    private static void WriteCounter(byte* nonce, ulong counter) =>
        BinaryPrimitives.WriteUInt64LittleEndian(new Span<byte>(nonce + 4, sizeof(ulong)), counter);
}
