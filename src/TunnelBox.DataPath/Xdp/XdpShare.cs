using System.Net;
using TunnelBox.DataPath.Steering;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// One device that several tunnels of this process use: the program, which knows by the port whose a datagram is, the queues' own sockets, which hold the frames to receive
/// into, and what each tunnel has of it.
/// </summary>
internal sealed class XdpShare : IDisposable
{
    private readonly OuterProgram _program;
    private readonly XdpQueues _queues;
    private readonly XdpPool[] _pools;
    private readonly Action<XdpShare, int> _leave;
    private readonly string?[] _tunnels = new string?[OuterProgram.MostTunnels];

    private XdpShare(string device, int ifindex, OuterProgram program, XdpQueues queues, int? switchedOn, Action<XdpShare, int> leave)
    {
        Device = device;
        Ifindex = ifindex;
        SwitchedOn = switchedOn;
        _program = program;
        _queues = queues;
        _leave = leave;
        _pools = [.. queues.All.Select(queue => new XdpPool(queue))];
    }

    /// <summary>Gets the device's name.</summary>
    public string Device { get; }

    /// <summary>Gets the device's number.</summary>
    public int Ifindex { get; }

    /// <summary>Gets how many receive queues were switched on when it was opened; null where the driver does not say.</summary>
    public int? SwitchedOn { get; }

    /// <summary>Gets or sets a value indicating whether the device has changed since: nobody joins any more.</summary>
    public bool IsOutdated { get; set; }

    /// <summary>Gets a value indicating whether no tunnel has a part of it.</summary>
    public bool IsEmpty => Array.TrueForAll(_tunnels, tunnel => tunnel is null);

    /// <summary>Attaches the program and binds the queues.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="ifindex">Its number.</param>
    /// <param name="leave">Told of a tunnel that leaves.</param>
    /// <returns>The open device.</returns>
    /// <exception cref="PortException">It cannot be: one sentence says why.</exception>
    public static XdpShare Open(string device, int ifindex, Action<XdpShare, int> leave)
    {
        int most = XdpQueues.Check(device, ifindex);
        OuterProgram program = OuterProgram.Attach(device, ifindex);
        try
        {
            int? switchedOn = XdpOuter.SwitchedOn(ifindex);
            int queues = Math.Min(switchedOn ?? most, XdpQueues.Most);

            // Each tunnel transmits from frames of its own.
            var memory = new XdpMemory(device) { Spare = OuterProgram.MostTunnels * XdpQueues.FramesFor(queues) * queues };
            return new XdpShare(
                device, ifindex, program, XdpQueues.Bind(memory, device, ifindex, queues, program.GenericReason, isInner: false, chains: false), switchedOn, leave);
        }
        catch
        {
            program.Dispose();
            throw;
        }
    }

    /// <summary>Gives a tunnel its part.</summary>
    /// <param name="tunnel">Its name, for messages.</param>
    /// <returns>The part.</returns>
    /// <exception cref="PortException">It cannot be had: one sentence says why.</exception>
    public Part Join(string tunnel)
    {
        int place = Array.IndexOf(_tunnels, null);
        if (place < 0)
        {
            throw new PortException($"no XDP on {Device}: {_tunnels.Length} tunnels share it already; use the UDP port", Definitions.ENOSPC);
        }

        var part = new Part(this, place, XdpQueues.Share(Device, Ifindex, _pools));
        _tunnels[place] = tunnel;
        return part;
    }

    /// <summary>Takes a tunnel's place back.</summary>
    /// <param name="place">The place.</param>
    public void Vacate(int place) => _tunnels[place] = null;

    /// <inheritdoc/>
    public void Dispose()
    {
        _program.Dispose();
        _queues.Dispose();
    }

    /// <summary>What one tunnel has of a device.</summary>
    /// <param name="share">The device.</param>
    /// <param name="place">The tunnel's number there.</param>
    /// <param name="queues">Its sockets.</param>
    internal sealed class Part(XdpShare share, int place, XdpQueues queues)
    {
        private bool _left;

        /// <summary>Gets the program, which is everybody's.</summary>
        public OuterProgram Program => share._program;

        /// <summary>Gets the tunnel's sockets, which it closes before it leaves.</summary>
        public XdpQueues Queues => queues;

        /// <summary>Gets how many receive queues were switched on when the device was opened; null where the driver does not say.</summary>
        public int? SwitchedOn => share.SwitchedOn;

        /// <summary>Gets the tunnel's number there.</summary>
        public int Place => place;

        /// <summary>Gets the tunnel's row of sockets.</summary>
        public uint Row => OuterProgram.RowOf(place);

        /// <summary>Gets why frames lie in ordinary pages, a sentence; null where they lie in huge ones.</summary>
        public string? PagesReason => share._queues.PagesReason;

        /// <summary>Says that the device is no longer as it was: whoever comes next opens it anew, once all have left.</summary>
        public void Outdate() => share.IsOutdated = true;

        /// <summary>Leaves datagrams to the tunnel's addresses to the kernel again.</summary>
        /// <param name="listening">The addresses.</param>
        public void Detach(IEnumerable<IPEndPoint> listening)
        {
            foreach (IPEndPoint local in listening)
            {
                _ = share._program.Forget(local);
            }
        }

        /// <summary>Leaves the device, whose sockets of this tunnel are closed; the last one closes it.</summary>
        public void Leave()
        {
            if (_left)
            {
                return;
            }

            _left = true;

            // Whoever has this place next begins with nothing known and nothing dropped.
            _ = EarlyDrop.Stop(share._program, place);
            new SessionMap(share._program.Sessions, tunnel: place).Clear();
            share._leave(share, place);
        }
    }
}
