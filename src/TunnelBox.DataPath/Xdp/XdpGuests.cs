using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>The sockets of every worker on every queue of a device that is another worker's, and what wakes a queue's worker when frames have come back.</summary>
internal sealed class XdpGuests : IDisposable
{
    private readonly IReadOnlyList<XdpQueue> _queues;
    private readonly List<(int Worker, int Queue, XdpGuest Socket)> _all = [];
    private readonly QueueMap _map;
    private readonly WakeEvent[] _wakes;

    private XdpGuests(IReadOnlyList<XdpQueue> queues, QueueMap map)
    {
        _queues = queues;
        _map = map;
        _wakes = [.. Enumerable.Range(0, map.Workers).Select(_ => new WakeEvent())];
    }

    /// <summary>Makes them.</summary>
    /// <param name="device">The device's name, for the sentence.</param>
    /// <param name="ifindex">Its number.</param>
    /// <param name="queues">Its queues, owned by the caller, which disposes them after this object.</param>
    /// <param name="map">Whose each queue is.</param>
    /// <param name="problem">Why there are none, a sentence; null where they are there.</param>
    /// <returns>The sockets, or null.</returns>
    public static XdpGuests? Make(string device, int ifindex, IReadOnlyList<XdpQueue> queues, QueueMap map, out string? problem)
    {
        problem = null;
        var made = new XdpGuests(queues, map);
        for (int queue = 0; queue < queues.Count; queue++)
        {
            XdpQueue home = queues[queue];
            for (int worker = 0; worker < map.Workers; worker++)
            {
                if (worker == map.WorkerOf(queue))
                {
                    continue;
                }

                int frames = home.FramesToReceive;
                XdpSocket? socket = XdpSocket.OpenGuest(home.Socket, ifindex, (uint)frames, out int error);
                if (socket is null)
                {
                    problem = $"Each worker takes what arrives at its queues of {device}, since a further socket on queue {queue} cannot be had: {Errno.Describe(error)}.";
                    made.Dispose();
                    return null;
                }

                var guest = new XdpGuest(home.Arena, socket, ifindex, frames, made._wakes[map.WorkerOf(queue)]);
                home.Guests.Add(guest);
                made._all.Add((worker, queue, guest));
            }
        }

        return made;
    }

    /// <summary>Gives a worker's sockets on queues that are others'.</summary>
    /// <param name="worker">The worker's number.</param>
    /// <returns>The sockets.</returns>
    public XdpGuest[] Of(int worker) => [.. _all.Where(guest => guest.Worker == worker).Select(guest => guest.Socket)];

    /// <summary>Gives what is set when many frames of a worker's queues have come back.</summary>
    /// <param name="worker">The worker's number.</param>
    /// <returns>The event.</returns>
    public WakeEvent WakeOf(int worker) => _wakes[worker];

    /// <summary>Has a program know every worker's socket on every queue, the queue's own among them.</summary>
    /// <param name="bind">Binds the socket (second) of a worker (third) on a queue (first); gives 0 or −errno.</param>
    /// <returns>The queue and worker that could not be bound, and −errno; an errno of 0 where all are.</returns>
    public (int Queue, int Worker, int Error) Bind(Func<uint, int, int, int> bind)
    {
        for (int queue = 0; queue < _queues.Count; queue++)
        {
            int home = _map.WorkerOf(queue);
            if (bind((uint)queue, _queues[queue].Socket.Descriptor, home) is < 0 and int error)
            {
                return (queue, home, error);
            }
        }

        foreach ((int worker, int queue, XdpGuest guest) in _all)
        {
            if (bind((uint)queue, guest.Socket.Descriptor, worker) is < 0 and int error)
            {
                return (queue, worker, error);
            }
        }

        return default;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, int queue, XdpGuest guest) in _all)
        {
            _ = _queues[queue].Guests.Remove(guest);
            guest.Dispose();
        }

        _all.Clear();
        Array.ForEach(_wakes, wake => wake.Dispose());
    }
}
