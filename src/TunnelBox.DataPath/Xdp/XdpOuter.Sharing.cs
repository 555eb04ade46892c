using TunnelBox.DataPath.Udp;

namespace TunnelBox.DataPath.Xdp;

/// <content>A device that several tunnels of this process use: what one of them has of it.</content>
public sealed unsafe partial class XdpOuter
{
    private XdpShare.Part? _part;

    /// <summary>Gets the map of receiver indices, for tests.</summary>
    internal int Sessions => _program.Sessions;

    /// <summary>Gets how many frames of the memory belong to no queue, for tests.</summary>
    internal int UnusedFrames => _queues.All[0].Arena.CountUnused();

    private uint Row => _part?.Row ?? 0;

    private string? SharedNote => _part is null ? null
        : $"The program and the frames of {Device} are shared with other tunnels of this process; frames larger than a chunk go by the kernel, and the device is not polled.";

    private static XdpOuter OpenShared(XdpOuterOptions options, XdpDevices devices, UdpSockets sockets, int ifindex)
    {
        XdpShare.Part part = devices.Join(options.Device, ifindex, options.Tunnel);
        var outer = new XdpOuter(options, part.Program, part.Queues, sockets.Port, ifindex) { _switchedOn = part.SwitchedOn, _part = part };
        try
        {
            outer.Begin(sockets);
            return outer;
        }
        catch (Exception fault)
        {
            outer._paths?.Dispose();
            outer.DetachProgram();
            outer._channels.Dispose();
            part.Queues.Dispose();
            part.Leave();
            throw Named(options.Device, fault);
        }
    }

    // Other tunnels' datagrams go on coming by the program.
    private void DetachProgram()
    {
        if (_part is null)
        {
            _program.Detach();
            return;
        }

        lock (_listening)
        {
            _part.Detach(_listening);
            _listening.Clear();
        }
    }
}
