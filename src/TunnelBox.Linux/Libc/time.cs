using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <summary>struct timespec of time.h (64-bit architectures).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct timespec
{
    /// <summary>Whole seconds.</summary>
    public long tv_sec;

    /// <summary>Nanoseconds, 0 to 999,999,999.</summary>
    public long tv_nsec;
}
