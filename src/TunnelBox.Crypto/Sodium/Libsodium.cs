using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Sodium;

/// <summary>The libsodium binding (sodium/core.h); one file a primitive, with libsodium's own names.</summary>
internal static unsafe partial class Libsodium
{
    internal const string Library = "libsodium.so.23";

    private static readonly Lock InitialisationLock = new();
    private static bool _initialised;

    [LibraryImport(Library)]
    private static partial int sodium_init();

    /// <summary>Loads and initialises libsodium; cheap and harmless when repeated.</summary>
    /// <exception cref="CryptoUnavailableException">The library is missing, too old or does not start.</exception>
    internal static void EnsureInitialised()
    {
        if (Volatile.Read(ref _initialised))
        {
            return;
        }

        lock (InitialisationLock)
        {
            try
            {
                // 0: done now; 1: was done before; negative: failure.
                if (sodium_init() < 0)
                {
                    throw new CryptoUnavailableException("libsodium does not start: it found no source of randomness; check /dev/urandom and seccomp.");
                }
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or EntryPointNotFoundException)
            {
                throw new CryptoUnavailableException(
                    $"The library {Library} cannot be loaded: install the package libsodium23 (apt install libsodium23).", e);
            }

            Volatile.Write(ref _initialised, true);
        }
    }
}
