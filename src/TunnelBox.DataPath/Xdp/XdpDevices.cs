using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// The Ethernet devices that several tunnels of this process use: each has one program and one socket a queue, opened when the first tunnel comes and closed when
/// the last has gone; tunnels come and go between without the others noticing.
/// </summary>
public sealed class XdpDevices
{
    private readonly Lock _gate = new();
    private readonly List<XdpShare> _shares = [];

    /// <summary>Joins those who use a device in the calling thread's network namespace.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="ifindex">Its number; 0 where there is none of that name.</param>
    /// <param name="tunnel">Who joins, for messages.</param>
    /// <returns>The tunnel's part.</returns>
    /// <exception cref="PortException">It cannot be: one sentence says why. EAGAIN: it can as soon as other tunnels have left.</exception>
    internal XdpShare.Part Join(string device, int ifindex, string tunnel)
    {
        lock (_gate)
        {
            XdpShare? share = _shares.Find(each => each.Ifindex == ifindex);
            if (share is { IsOutdated: true })
            {
                throw new PortException($"no XDP on {device} for now: another tunnel still uses it as it was before it changed", Definitions.EAGAIN);
            }

            if (share is null)
            {
                share = XdpShare.Open(device, ifindex, Leave);
                _shares.Add(share);
            }

            try
            {
                return share.Join(tunnel);
            }
            catch
            {
                Close(share);
                throw;
            }
        }
    }

    private void Leave(XdpShare share, int place)
    {
        lock (_gate)
        {
            share.Vacate(place);
            Close(share);
        }
    }

    private void Close(XdpShare share)
    {
        if (share.IsEmpty)
        {
            _shares.Remove(share);
            share.Dispose();
        }
    }
}
