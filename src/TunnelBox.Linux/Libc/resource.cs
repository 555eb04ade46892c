using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>sys/resource.h.</content>
public static partial class Definitions
{
    /// <summary>The priority of one thread (of a process in POSIX; in Linux it is the thread's own).</summary>
    public const int PRIO_PROCESS = 0;
}

/// <content>sys/resource.h.</content>
public static partial class LibC
{
    /// <summary>
    /// setpriority(2): who yields to whom when processors are short. A thread gives its own to what it creates. The runtime's thread priorities do
    /// nothing here, since Linux has none for ordinary threads.
    /// </summary>
    /// <param name="which">PRIO_PROCESS.</param>
    /// <param name="who">The thread's id; 0 for the calling one.</param>
    /// <param name="priority">−20 (first) to 19 (last); lowering the number needs CAP_SYS_NICE.</param>
    /// <returns>0, or −errno.</returns>
    public static int setpriority(int which, int who, int priority) => Check(NativeSetPriority(which, who, priority));

    [LibraryImport(Library, EntryPoint = "setpriority", SetLastError = true)]
    private static partial int NativeSetPriority(int which, int who, int priority);
}
