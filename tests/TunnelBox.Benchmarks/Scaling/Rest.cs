namespace TunnelBox.Benchmarks.Scaling;

/// <summary>Counts how often a worker found nothing: once it has, what it had before is done.</summary>
internal sealed class Rest
{
    private long _times;

    /// <summary>Gets how often.</summary>
    public long Times => Volatile.Read(ref _times);

    /// <summary>Says that there was nothing; by the worker.</summary>
    public void Count() => Volatile.Write(ref _times, _times + 1);
}
