using TunnelBox.Crypto;

namespace TunnelBox.DataPath;

/// <summary>What is to be opened of one burst of datagrams: a job and the place in the burst for each data message of a known session.</summary>
internal sealed class OpeningJobs
{
    /// <summary>The cipher's work; the first <see cref="Count"/> are filled.</summary>
    public readonly AeadJob[] Jobs = new AeadJob[Burst.Capacity];

    /// <summary>Where in the burst each job's packet is.</summary>
    public readonly int[] Slots = new int[Burst.Capacity];

    /// <summary>How many jobs there are.</summary>
    public int Count;

    /// <summary>Gets the jobs that are there.</summary>
    public Span<AeadJob> Span => Jobs.AsSpan(0, Count);
}
