using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Sodium;

/// <summary>X25519 (sodium/crypto_scalarmult_curve25519.h).</summary>
internal static unsafe partial class Libsodium
{
    internal const int crypto_scalarmult_curve25519_BYTES = 32;
    internal const int crypto_scalarmult_curve25519_SCALARBYTES = 32;

    /// <summary>q = n·p. Answers −1 where the product is zero, that is for points of low order.</summary>
    [LibraryImport(Library)]
    internal static partial int crypto_scalarmult_curve25519(byte* q, byte* n, byte* p);

    [LibraryImport(Library)]
    internal static partial int crypto_scalarmult_curve25519_base(byte* q, byte* n);
}
