using System.Runtime.InteropServices;
using System.Text;

namespace TunnelBox.Linux.Processes;

/// <summary>What a daemon needs to do with file descriptors beyond what <see cref="System.IO"/> offers.</summary>
public static unsafe class Descriptors
{
    /// <summary>Marks every descriptor from <paramref name="first"/> up close-on-exec, so that a program started later gets none by accident.</summary>
    /// <param name="first">The lowest descriptor to mark.</param>
    /// <returns>Whether the kernel did it (close_range with CLOSE_RANGE_CLOEXEC, Linux 5.11).</returns>
    public static bool MarkCloseOnExecFrom(int first) =>
        ProcessLibc.CloseRange((uint)first, uint.MaxValue, ProcessLibc.CLOSE_RANGE_CLOEXEC) == 0;

    /// <summary>Marks one descriptor close-on-exec.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <returns>Whether it is open.</returns>
    public static bool MarkCloseOnExec(int descriptor)
    {
        int flags = ProcessLibc.Fcntl(descriptor, ProcessLibc.F_GETFD, 0);
        return flags >= 0 && ProcessLibc.Fcntl(descriptor, ProcessLibc.F_SETFD, flags | ProcessLibc.FD_CLOEXEC) == 0;
    }

    /// <summary>Tells whether a descriptor is open.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <returns>Whether it is open.</returns>
    public static bool IsOpen(int descriptor) => descriptor >= 0 && ProcessLibc.Fcntl(descriptor, ProcessLibc.F_GETFD, 0) >= 0;

    /// <summary>
    /// Writes at most one pipe buffer's worth (4,096 bytes) if that does not block: a reader who has stopped reading must
    /// not stop the writer, and O_NONBLOCK would change the terminal for everybody who shares it.
    /// </summary>
    /// <param name="descriptor">A pipe, terminal, socket or file.</param>
    /// <param name="bytes">What to write; what is beyond 4,096 bytes is left out.</param>
    /// <returns>Whether it was written.</returns>
    public static bool TryWrite(int descriptor, ReadOnlySpan<byte> bytes)
    {
        ProcessLibc.PollEntry entry = new() { Descriptor = descriptor, Events = ProcessLibc.PollEntry.POLLOUT };
        if (ProcessLibc.Poll(&entry, 1, 0) != 1 || (entry.Returned & ProcessLibc.PollEntry.POLLOUT) == 0)
        {
            return false;
        }

        return Write(descriptor, bytes[..Math.Min(bytes.Length, 4096)]) >= 0;
    }

    /// <summary>Flushes a directory, so that a rename in it survives a loss of power.</summary>
    /// <param name="path">The directory.</param>
    /// <exception cref="IOException">It cannot be opened or flushed.</exception>
    public static void FlushDirectory(string path)
    {
        fixed (byte* name = NullTerminated(path))
        {
            int descriptor = ProcessLibc.Open(name, ProcessLibc.O_RDONLY | ProcessLibc.O_CLOEXEC);
            if (descriptor < 0)
            {
                throw LastFault($"Cannot open {path}");
            }

            int status = ProcessLibc.FSync(descriptor);
            IOException? fault = status < 0 ? LastFault($"Cannot flush {path}") : null;
            _ = ProcessLibc.Close(descriptor);
            if (fault is not null)
            {
                throw fault;
            }
        }
    }

    internal static byte[] NullTerminated(string text) => Encoding.UTF8.GetBytes(text + '\0');

    internal static IOException LastFault(string what) => new($"{what}: {ErrorText.Of(Marshal.GetLastPInvokeError())}.");

    internal static int Write(int descriptor, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            nint written;
            do
            {
                written = ProcessLibc.Write(descriptor, first, (nuint)bytes.Length);
            }
            while (written < 0 && Marshal.GetLastPInvokeError() == ProcessLibc.EINTR);

            return (int)written;
        }
    }
}
