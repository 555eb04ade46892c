using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Sodium;

/// <summary>Memory and text of secrets (sodium/utils.h). The text functions take the same time for every secret.</summary>
internal static unsafe partial class Libsodium
{
    internal const int sodium_base64_VARIANT_ORIGINAL = 1;

    [LibraryImport(Library)]
    internal static partial void sodium_memzero(byte* pnt, nuint len);

    /// <summary>Answers 1 where every byte is zero.</summary>
    [LibraryImport(Library)]
    internal static partial int sodium_is_zero(byte* n, nuint nlen);

    /// <summary>Locks pages in memory and keeps them out of core dumps; −1 with errno on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    internal static partial int sodium_mlock(byte* addr, nuint len);

    /// <summary>Zeroes and unlocks pages.</summary>
    [LibraryImport(Library)]
    internal static partial int sodium_munlock(byte* addr, nuint len);

    [LibraryImport(Library)]
    internal static partial byte* sodium_bin2hex(byte* hex, nuint hex_maxlen, byte* bin, nuint bin_len);

    [LibraryImport(Library)]
    internal static partial int sodium_hex2bin(
        byte* bin, nuint bin_maxlen, byte* hex, nuint hex_len, byte* ignore, nuint* bin_len, byte** hex_end);

    [LibraryImport(Library)]
    internal static partial byte* sodium_bin2base64(byte* b64, nuint b64_maxlen, byte* bin, nuint bin_len, int variant);

    [LibraryImport(Library)]
    internal static partial int sodium_base642bin(
        byte* bin, nuint bin_maxlen, byte* b64, nuint b64_len, byte* ignore, nuint* bin_len, byte** b64_end, int variant);
}
