using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <content>Sockets of every worker on every queue, so that a session's packets reach its owner by whatever queue they come.</content>
public sealed unsafe partial class XdpOuter
{
    private readonly XdpOuterOptions _options;
    private readonly List<(int Worker, int Queue, XdpGuest Socket)> _guests = [];
    private WakeEvent[] _wakes = [];
    private string? _ownersNote;

    // Without them each worker takes what arrives at its queues, whoever owns the session: nothing is lost by that but an owner's order.
    private void MakeGuests(int workers)
    {
        if (workers == 1)
        {
            return;
        }

        _wakes = [.. Enumerable.Range(0, workers).Select(_ => new WakeEvent())];
        for (int queue = 0; queue < _queues.All.Count; queue++)
        {
            XdpQueue home = _queues.All[queue];
            for (int worker = 0; worker < workers; worker++)
            {
                if (worker == queue % workers)
                {
                    continue;
                }

                int frames = home.FramesToReceive;
                XdpSocket? socket = XdpSocket.OpenGuest(home.Socket, _ifindex, (uint)frames, out int error);
                if (socket is null)
                {
                    _ownersNote = $"Each worker takes what arrives at its queues of {Device}, since a further socket on queue {queue} cannot be had: {Errno.Describe(error)}.";
                    CloseGuests();
                    return;
                }

                var guest = new XdpGuest(home.Arena, socket, _ifindex, frames, _wakes[queue % workers]);
                home.Guests.Add(guest);
                _guests.Add((worker, queue, guest));
            }
        }
    }

    private void ServeGuests()
    {
        foreach ((int worker, int queue, XdpGuest guest) in _guests)
        {
            int error = _program.Bind((uint)queue, guest.Socket.Descriptor, worker);
            if (error < 0)
            {
                throw new PortException($"no XDP on {Device}: queue {queue} cannot be given a socket of worker {worker}: {Errno.Describe(error)}; use the UDP port", error);
            }
        }
    }

    private void CloseGuests()
    {
        foreach ((_, int queue, XdpGuest guest) in _guests)
        {
            _ = _queues.All[queue].Guests.Remove(guest);
            guest.Dispose();
        }

        _guests.Clear();
        Array.ForEach(_wakes, wake => wake.Dispose());
        _wakes = [];
    }
}
