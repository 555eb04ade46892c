namespace TunnelBox.Visibility;

/// <summary>What one worker counts: plain numbers on cache lines of its own, summed by whoever reads.</summary>
public sealed class WorkerCounters
{
    private readonly long[] _drops = new long[256];

    /// <summary>Counts a drop.</summary>
    /// <param name="reason">Why.</param>
    public void Drop(DropReason reason) => _drops[(int)reason]++;

    /// <summary>Reads a drop counter.</summary>
    /// <param name="reason">Which.</param>
    /// <returns>Packets.</returns>
    public long Dropped(DropReason reason) => _drops[(int)reason];

    /// <summary>Counts.</summary>
    /// <param name="packets">Packets.</param>
    /// <param name="bytes">Bytes.</param>
    public void InnerReceived(int packets, long bytes) => _drops[200] += packets + (bytes << 32);

    /// <summary>Counts.</summary>
    /// <param name="packets">Packets.</param>
    /// <param name="bytes">Bytes.</param>
    public void OuterReceived(int packets, long bytes) => _drops[200] += packets + (bytes << 32);

    /// <summary>Counts.</summary>
    /// <param name="packets">Packets.</param>
    /// <param name="bytes">Bytes.</param>
    public void InnerSent(int packets, long bytes) => _drops[200] += packets + (bytes << 32);

    /// <summary>Counts.</summary>
    /// <param name="packets">Packets.</param>
    /// <param name="bytes">Bytes.</param>
    public void OuterSent(int packets, long bytes) => _drops[200] += packets + (bytes << 32);
}
