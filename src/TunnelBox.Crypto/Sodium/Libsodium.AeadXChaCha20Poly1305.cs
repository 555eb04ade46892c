using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Sodium;

/// <summary>XChaCha20-Poly1305 (sodium/crypto_aead_xchacha20poly1305.h; draft-irtf-cfrg-xchacha).</summary>
internal static unsafe partial class Libsodium
{
    internal const int crypto_aead_xchacha20poly1305_ietf_KEYBYTES = 32;
    internal const int crypto_aead_xchacha20poly1305_ietf_NPUBBYTES = 24;
    internal const int crypto_aead_xchacha20poly1305_ietf_ABYTES = 16;

    [LibraryImport(Library)]
    internal static partial int crypto_aead_xchacha20poly1305_ietf_encrypt(
        byte* c, ulong* clen, byte* m, ulong mlen, byte* ad, ulong adlen, byte* nsec, byte* npub, byte* k);

    /// <summary>Answers −1 where the tag is wrong; the message is zeroed then.</summary>
    [LibraryImport(Library)]
    internal static partial int crypto_aead_xchacha20poly1305_ietf_decrypt(
        byte* m, ulong* mlen, byte* nsec, byte* c, ulong clen, byte* ad, ulong adlen, byte* npub, byte* k);
}
