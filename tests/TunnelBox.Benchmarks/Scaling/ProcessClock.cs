namespace TunnelBox.Benchmarks.Scaling;

/// <summary>The processor time of this process, in which only one arrangement works at a time.</summary>
internal static class ProcessClock
{
    /// <summary>Reads it, to the microsecond (getrusage): what stands in /proc counts in hundredths of a second.</summary>
    /// <returns>Seconds since the process began.</returns>
    public static double Elapsed() => Environment.CpuUsage.TotalTime.TotalSeconds;
}
