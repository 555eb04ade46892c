using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <summary>
/// The C library, one file per header. Functions return what C returns, except that a failure is −errno; EINTR is retried
/// wherever that is safe. Names and signatures are those of the manual pages, section 2 and 3.
/// </summary>
public static unsafe partial class LibC
{
    private const string Library = "libc";

    /// <summary>Turns the C convention (−1 and errno) into a negative error number.</summary>
    /// <param name="result">What the C function returned, just now, on this thread.</param>
    /// <returns><paramref name="result"/>, or −errno.</returns>
    private static int Check(int result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();

    private static nint Check(nint result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();

    private static bool Interrupted(nint result) => result < 0 && Marshal.GetLastPInvokeError() == Definitions.EINTR;
}

/// <summary>The constants of the C headers, under their own names.</summary>
public static partial class Definitions
{
}
