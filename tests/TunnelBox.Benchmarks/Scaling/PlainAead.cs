using TunnelBox.Crypto;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>No cipher at all: what is left of a worker's time is the part that only the owner can do.</summary>
internal sealed class PlainAead : IPacketAead
{
    /// <inheritdoc/>
    public string Name => "none";

    /// <inheritdoc/>
    public void Seal(Span<AeadJob> jobs)
    {
        // The packet stays as it is.
    }

    /// <inheritdoc/>
    public void Open(Span<AeadJob> jobs)
    {
        foreach (ref AeadJob job in jobs)
        {
            job.Opened = true;
        }
    }
}
