using TunnelBox.Protocol;

namespace TunnelBox.DataPath;

/// <summary>Which worker owns a peer with its sessions: what its session brings in is received, put in order and delivered there.</summary>
public static class Ownership
{
    /// <summary>
    /// Gives the owner of a peer: peers are dealt out in the order in which they were made, and one keeps its owner for its life, so that
    /// no packet overtakes another on its way to a new one.
    /// </summary>
    /// <param name="peer">The peer.</param>
    /// <param name="workers">How many workers there are, at least 1.</param>
    /// <returns>The worker's number, from 0.</returns>
    public static int Of(Peer peer, int workers)
    {
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        return (int)((peer.Sequence - 1) % (ulong)workers);
    }
}
