using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>poll.h.</content>
public static partial class Definitions
{
    /// <summary>Readable.</summary>
    public const short POLLIN = 1;

    /// <summary>Exceptional condition.</summary>
    public const short POLLPRI = 2;

    /// <summary>Writable.</summary>
    public const short POLLOUT = 4;

    /// <summary>Error; on a TUN descriptor, the interface is gone.</summary>
    public const short POLLERR = 8;

    /// <summary>Hung up.</summary>
    public const short POLLHUP = 0x10;

    /// <summary>Not an open descriptor.</summary>
    public const short POLLNVAL = 0x20;
}

/// <summary>struct pollfd of poll.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct pollfd
{
    /// <summary>Descriptor; negative ones are passed over.</summary>
    public int fd;

    /// <summary>POLL* to wait for.</summary>
    public short events;

    /// <summary>POLL* found.</summary>
    public short revents;
}

/// <content>poll.h.</content>
public static unsafe partial class LibC
{
    /// <summary>
    /// ppoll(2) with the signal mask left alone. Returns 0 when a signal came, as if the time were up: a worker looks at its
    /// clock and its stop flag in any case, and retrying with the full time would wait too long.
    /// </summary>
    /// <param name="descriptors">What to wait for.</param>
    /// <param name="count">How many.</param>
    /// <param name="timeout">Longest wait; null waits for ever.</param>
    /// <returns>Descriptors ready, 0 at time-out, or −errno.</returns>
    public static int ppoll(pollfd* descriptors, nuint count, timespec* timeout)
    {
        int result = NativePpoll(descriptors, count, timeout, null);
        return Interrupted(result) ? 0 : Check(result);
    }

    [LibraryImport(Library, EntryPoint = "ppoll", SetLastError = true)]
    private static partial int NativePpoll(pollfd* descriptors, nuint count, timespec* timeout, void* signals);
}
