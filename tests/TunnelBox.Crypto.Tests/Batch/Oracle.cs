using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>libsodium, packet by packet: what every engine must agree with.</summary>
internal static unsafe partial class Oracle
{
    static Oracle()
    {
        if (Init() < 0)
        {
            throw new InvalidOperationException("libsodium cannot be used; install libsodium23.");
        }
    }

    public static void Seal(ReadOnlySpan<AeadJob> jobs)
    {
        byte* nonce = stackalloc byte[12];
        foreach (AeadJob job in jobs)
        {
            Nonce(nonce, job.Counter);
            _ = Encrypt((byte*)job.Destination, null, (byte*)job.Source, (ulong)job.Length, null, 0, null, nonce, (byte*)job.Key.Address);
        }
    }

    public static bool Open(AeadJob job)
    {
        byte* nonce = stackalloc byte[12];
        Nonce(nonce, job.Counter);
        ulong length = (ulong)job.Length + IPacketAead.TagSize;
        return Decrypt((byte*)job.Destination, null, null, (byte*)job.Source, length, null, 0, nonce, (byte*)job.Key.Address) == 0;
    }

    private static void Nonce(byte* nonce, ulong counter)
    {
        new Span<byte>(nonce, 4).Clear();
        *(ulong*)(nonce + 4) = counter;
    }

    [LibraryImport("libsodium.so.23", EntryPoint = "sodium_init")]
    private static partial int Init();

    [LibraryImport("libsodium.so.23", EntryPoint = "crypto_aead_chacha20poly1305_ietf_encrypt")]
    private static partial int Encrypt(
        byte* c, ulong* clen, byte* m, ulong mlen, byte* ad, ulong adlen, byte* nsec, byte* npub, byte* k);

    [LibraryImport("libsodium.so.23", EntryPoint = "crypto_aead_chacha20poly1305_ietf_decrypt")]
    private static partial int Decrypt(
        byte* m, ulong* mlen, byte* nsec, byte* c, ulong clen, byte* ad, ulong adlen, byte* npub, byte* k);
}
