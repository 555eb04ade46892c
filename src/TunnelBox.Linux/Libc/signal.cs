using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>signal.h.</content>
public static partial class Definitions
{
    /// <summary>The terminal is gone; for a daemon: read the configuration anew.</summary>
    public const int SIGHUP = 1;
}

/// <content>signal.h.</content>
public static unsafe partial class LibC
{
    /// <summary>signal(2), for its two handlers that are no functions.</summary>
    /// <param name="number">SIG*.</param>
    /// <param name="handler">0 for the default course (SIG_DFL), 1 to ignore it (SIG_IGN).</param>
    /// <returns>What stood there before, or −errno.</returns>
    public static nint signal(int number, nint handler) => Check(NativeSignal(number, handler));

    [LibraryImport(Library, EntryPoint = "signal", SetLastError = true)]
    private static partial nint NativeSignal(int number, nint handler);
}
