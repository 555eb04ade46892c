using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <content>Sockets of every worker on every queue, so that a session's packets reach its owner by whatever queue they come.</content>
public sealed unsafe partial class XdpOuter
{
    private readonly XdpOuterOptions _options;
    private XdpGuests? _guests;
    private string? _ownersNote;

    // Without them each worker takes what arrives at its queues, whoever owns the session: nothing is lost by that but an owner's order.
    private void MakeGuests()
    {
        if (_map.Workers > 1)
        {
            _guests = XdpGuests.Make(Device, _ifindex, _queues.All, _map, out _ownersNote);
        }
    }

    private void ServeGuests()
    {
        if (_guests?.Bind((queue, socket, worker) => _program.Bind(queue, socket, worker)) is { Error: < 0 and int error } refused)
        {
            throw new PortException($"no XDP on {Device}: queue {refused.Queue} cannot be given a socket of worker {refused.Worker}: {Errno.Describe(error)}; use the UDP port", error);
        }
    }

    private void CloseGuests()
    {
        _guests?.Dispose();
        _guests = null;
    }
}
