namespace TunnelBox.Linux.Netlink;

/// <summary>
/// Reads how many queues of a device are switched on (<c>ethtool -l</c>), from the generic netlink family <c>ethtool</c>
/// (linux/ethtool_netlink.h, Linux 5.6). Asks the network namespace of the thread that opened it. Not thread-safe.
/// </summary>
public sealed class EthtoolChannels : IDisposable
{
    private const byte ChannelsGet = 17;
    private const ushort Nested = 0x8000;
    private const ushort ChannelsHeader = 1 | Nested;
    private const ushort HeaderDeviceIndex = 1;
    private const ushort ReceiveCount = 6;
    private const ushort CombinedCount = 9;

    private readonly NetlinkSocket _socket = NetlinkSocket.Open(GenericNetlink.Protocol);
    private ushort _family;

    /// <summary>Reads how many queues receive.</summary>
    /// <param name="device">The device.</param>
    /// <returns>How many; null where the driver or the kernel does not say.</returns>
    public int? Receiving(int device)
    {
        try
        {
            if (_family == 0)
            {
                _family = GenericNetlink.Family(_socket, "ethtool");
            }

            NetlinkWriter request = GenericNetlink.Request(_family, ChannelsGet);
            int header = request.BeginNest(ChannelsHeader);
            request.Attribute(HeaderDeviceIndex, (uint)device);
            request.EndNest(header);
            ulong queues = 0;
            _socket.Get(request, "reading queues", (in NetlinkMessage message) =>
                queues = GenericNetlink.Number(message, ReceiveCount, 0) + GenericNetlink.Number(message, CombinedCount, 0));
            return queues is > 0 and <= ushort.MaxValue ? (int)queues : null;
        }
        catch (NetlinkException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
