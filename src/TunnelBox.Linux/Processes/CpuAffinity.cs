using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Processes;

/// <summary>The processors that threads run on.</summary>
public static unsafe class CpuAffinity
{
    /// <summary>Most processors that are looked at; the kernel's own limit for x86-64 is 8,192.</summary>
    public const int MaxCpus = 8192;

    private const int Words = MaxCpus / 64;

    /// <summary>Gives the processors that the calling thread may run on, in order.</summary>
    /// <returns>Their numbers; empty where the kernel does not tell.</returns>
    public static int[] Allowed()
    {
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        if (LibC.sched_getaffinity(0, MaxCpus / 8, mask) < 0)
        {
            return [];
        }

        List<int> allowed = [];
        for (int cpu = 0; cpu < MaxCpus; cpu++)
        {
            if ((mask[cpu / 64] >> (cpu % 64) & 1) != 0)
            {
                allowed.Add(cpu);
            }
        }

        return [.. allowed];
    }

    /// <summary>Keeps the calling thread on one processor.</summary>
    /// <param name="cpu">Its number, below <see cref="MaxCpus"/>.</param>
    /// <returns>0, or −errno: EINVAL where it is offline or outside the process's cpuset.</returns>
    public static int Pin(int cpu)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(cpu);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(cpu, MaxCpus);
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        mask[cpu / 64] = 1UL << (cpu % 64);
        return LibC.sched_setaffinity(0, MaxCpus / 8, mask);
    }
}
