using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Sodium;

/// <summary>The random generator (sodium/randombytes.h).</summary>
internal static unsafe partial class Libsodium
{
    [LibraryImport(Library)]
    internal static partial void randombytes_buf(byte* buf, nuint size);
}
