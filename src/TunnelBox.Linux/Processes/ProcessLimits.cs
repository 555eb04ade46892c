namespace TunnelBox.Linux.Processes;

/// <summary>What a process sets for itself once, at its start.</summary>
public static unsafe class ProcessLimits
{
    /// <summary>
    /// Turns core dumps off, for good: a dump would hold keys. The limit is 1, not 0, because the kernel does not ask the
    /// limit when core_pattern is a pipe, except for exactly 1 (fs/coredump.c). PR_SET_DUMPABLE stays as it is: without it
    /// /proc/self belongs to root, and an unprivileged sidecar could no longer read its own state.
    /// </summary>
    /// <returns>Whether it worked.</returns>
    public static bool DisableCoreDumps()
    {
        ProcessLibc.ResourceLimit limit;
        if (ProcessLibc.GetResourceLimit(ProcessLibc.RLIMIT_CORE, &limit) < 0)
        {
            return false;
        }

        limit.Hard = Math.Min(limit.Hard, 1);
        limit.Soft = limit.Hard;
        return ProcessLibc.SetResourceLimit(ProcessLibc.RLIMIT_CORE, &limit) == 0;
    }

    /// <summary>Sets which permissions new files never get.</summary>
    /// <param name="mask">The mask.</param>
    /// <returns>The mask before.</returns>
    public static UnixFileMode SetFileModeMask(UnixFileMode mask) => (UnixFileMode)ProcessLibc.Umask((uint)mask);

    /// <summary>Ends the process now: no finaliser, no handler, no wait for other threads.</summary>
    /// <param name="exitCode">The exit code, 0 to 255.</param>
    public static void EndNow(int exitCode) => ProcessLibc.ExitNow(exitCode);
}
