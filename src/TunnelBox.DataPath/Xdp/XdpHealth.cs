using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Looks once a second whether a device still transmits: sends that fail, or frames that neither leave nor come back, for
/// <see cref="Patience"/> looks in a row mean that it does not. A device without a link is not asked.
/// </summary>
internal sealed class XdpHealth
{
    /// <summary>Looks in a row, so seconds, until a device counts as failed.</summary>
    public const int Patience = 3;

    private readonly Standing[] _standings;

    /// <summary>Initializes a new instance of the <see cref="XdpHealth"/> class.</summary>
    /// <param name="queues">How many queues there are.</param>
    public XdpHealth(int queues) => _standings = new Standing[queues];

    /// <summary>Looks at one queue.</summary>
    /// <param name="index">Which.</param>
    /// <param name="error">0, or −errno of the last send.</param>
    /// <param name="waiting">Frames that the kernel has not taken, or has taken and not given back.</param>
    /// <param name="progress">Anything that changes whenever a frame moves on.</param>
    /// <returns>What is wrong, the end of a sentence; null while all is well or may yet become so.</returns>
    public string? Look(int index, int error, int waiting, ulong progress)
    {
        ref Standing standing = ref _standings[index];
        standing.Failing = error < 0 ? standing.Failing + 1 : 0;
        standing.Stuck = waiting > 0 && progress == standing.Progress ? standing.Stuck + 1 : 0;
        standing.Progress = progress;
        return standing.Failing >= Patience ? $"sends at queue {index} fail: {Errno.Describe(error)}"
            : standing.Stuck >= Patience ? $"queue {index} has transmitted nothing for {Patience} s while {waiting} frames wait"
            : null;
    }

    /// <summary>Begins anew: the link is away, and frames wait for it.</summary>
    public void Reset() => Array.Clear(_standings);

    private struct Standing
    {
        public int Failing;
        public int Stuck;
        public ulong Progress;
    }
}
