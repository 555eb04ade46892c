using System.Diagnostics;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>The processor time of this process, in which only one arrangement works at a time.</summary>
internal sealed class ProcessClock
{
    private readonly Process _process = Process.GetCurrentProcess();

    /// <summary>Reads it.</summary>
    /// <returns>Seconds since the process began.</returns>
    public double Elapsed()
    {
        _process.Refresh();
        return _process.TotalProcessorTime.TotalSeconds;
    }
}
