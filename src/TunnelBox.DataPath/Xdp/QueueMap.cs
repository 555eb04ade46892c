namespace TunnelBox.DataPath.Xdp;

/// <summary>Which worker serves each receive queue of a device.</summary>
/// <param name="workers">How many workers there are, at least one.</param>
/// <param name="chosen">The workers of the first queues, in their order; each below the number of workers. Queues beyond them take the workers in turn.</param>
public sealed class QueueMap(int workers, IReadOnlyList<int> chosen)
{
    /// <summary>Gets how many workers there are.</summary>
    public int Workers => workers;

    /// <summary>Tells a queue's worker.</summary>
    /// <param name="queue">The queue's number.</param>
    /// <returns>The worker's number.</returns>
    public int WorkerOf(int queue) => queue < chosen.Count ? chosen[queue] : queue % workers;

    /// <summary>Gives a worker's queues.</summary>
    /// <param name="queues">Every queue of the device, in order.</param>
    /// <param name="worker">The worker's number.</param>
    /// <returns>Those that it serves.</returns>
    internal XdpQueue[] Of(IReadOnlyList<XdpQueue> queues, int worker) => [.. queues.Where((_, queue) => WorkerOf(queue) == worker)];
}
