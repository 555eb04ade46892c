using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// The receive queue that a peer's datagrams should come in by: one of those that the peer's owner serves itself, so that no packet is handed to another
/// processor. Of several, the peer's mark chooses.
/// </summary>
/// <param name="queues">Receive queues; queue q is served by worker q modulo the number of workers.</param>
/// <param name="owners">Which worker owns each peer; null where there is one worker.</param>
public sealed class QueueChoice(int queues, Ownership? owners)
{
    /// <summary>Chooses.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The queue.</returns>
    public ushort Of(Peer peer)
    {
        uint mark = SessionRules.MarkOf(peer);
        int workers = owners?.Workers ?? 1;
        int owner = owners?.Of(peer) ?? 0;

        // With more workers than queues some serve none: any queue is as good as another for their peers.
        int own = owner < queues ? (queues - owner + workers - 1) / workers : 0;
        return own == 0 ? (ushort)(mark % (uint)queues) : (ushort)(owner + (workers * (mark % (uint)own)));
    }
}
