using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Processes;

/// <summary>What a process sets for itself once, at its start.</summary>
public static unsafe class ProcessLimits
{
    /// <summary>
    /// Turns core dumps off, for good: a dump would hold keys. PR_SET_DUMPABLE forbids them, and also that a process of the same user reads this one's memory or
    /// traces it; root with CAP_SYS_PTRACE still can, and so can probes and /proc/self. exec resets it, so the limit stands beside it: 1, not 0, because the
    /// kernel does not ask the limit when core_pattern is a pipe, except for exactly 1 (fs/coredump.c).
    /// </summary>
    /// <returns>Whether both worked.</returns>
    public static bool DisableCoreDumps()
    {
        bool forbidden = ForbidDump();
        ProcessLibc.ResourceLimit limit;
        if (ProcessLibc.GetResourceLimit(ProcessLibc.RLIMIT_CORE, &limit) < 0)
        {
            return false;
        }

        limit.Hard = Math.Min(limit.Hard, 1);
        limit.Soft = limit.Hard;
        return ProcessLibc.SetResourceLimit(ProcessLibc.RLIMIT_CORE, &limit) == 0 && forbidden;
    }

    /// <summary>Forbids a dump of this program alone: what it starts, such as a hook of somebody's, keeps its limit and may be dumped.</summary>
    /// <returns>Whether it worked.</returns>
    public static bool ForbidDump() => LibC.prctl(Definitions.PR_SET_DUMPABLE, 0, 0) == 0;

    /// <summary>Sets which permissions new files never get.</summary>
    /// <param name="mask">The mask.</param>
    /// <returns>The mask before.</returns>
    public static UnixFileMode SetFileModeMask(UnixFileMode mask) => (UnixFileMode)ProcessLibc.Umask((uint)mask);

    /// <summary>Ends the process now: no finaliser, no handler, no wait for other threads.</summary>
    /// <param name="exitCode">The exit code, 0 to 255.</param>
    public static void EndNow(int exitCode) => ProcessLibc.ExitNow(exitCode);
}
