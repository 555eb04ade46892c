using System.ComponentModel;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath;

/// <summary>An eventfd that wakes a thread blocked in ppoll(2); a signal that is already pending costs no system call.</summary>
internal sealed unsafe class WakeEvent : IDisposable
{
    private readonly FileDescriptor _descriptor;
    private int _pending;

    /// <summary>Opens an eventfd.</summary>
    public WakeEvent()
    {
        int fd = LibC.eventfd(0, Definitions.EFD_CLOEXEC | Definitions.EFD_NONBLOCK);
        if (fd < 0)
        {
            throw new Win32Exception(-fd, "An eventfd cannot be opened; raise the limit of open files.");
        }

        _descriptor = new FileDescriptor(fd);
    }

    /// <summary>Gets the descriptor to poll.</summary>
    public int Descriptor => _descriptor.Value;

    /// <summary>Gets a value indicating whether a signal is pending.</summary>
    public bool IsSet => Volatile.Read(ref _pending) != 0;

    /// <summary>Wakes the thread, or has it not fall asleep; any thread.</summary>
    public void Set()
    {
        if (Interlocked.Exchange(ref _pending, 1) == 0)
        {
            ulong one = 1;
            _ = LibC.write(Descriptor, &one, sizeof(ulong));
        }
    }

    /// <summary>
    /// Takes the signal; to be called when ppoll(2) found the descriptor readable, and before looking for what it was about.
    /// </summary>
    public void Reset()
    {
        // In this order: a signal between the two is not written, but its cause is found by the look that follows.
        ulong count;
        _ = LibC.read(Descriptor, &count, sizeof(ulong));
        Interlocked.Exchange(ref _pending, 0);
    }

    /// <inheritdoc/>
    public void Dispose() => _descriptor.Dispose();
}
