namespace TunnelBox.Linux.Netlink;

/// <summary>What a device's driver can do with XDP, from the generic netlink family <c>netdev</c> (linux/netdev.h, Linux 6.3).</summary>
public static class NetdevFeatures
{
    private const byte DeviceGet = 1;
    private const ushort Ifindex = 1;
    private const ushort XdpFeatures = 3;
    private const ulong ZeroCopy = 1 << 3;

    /// <summary>Asks whether a driver offers AF_XDP without a copy.</summary>
    /// <param name="device">The device, in the calling thread's network namespace.</param>
    /// <returns>False also where the kernel cannot say.</returns>
    public static bool OffersZeroCopy(int device)
    {
        try
        {
            using NetlinkSocket socket = NetlinkSocket.Open(GenericNetlink.Protocol);
            ushort family = GenericNetlink.Family(socket, "netdev");
            ulong features = 0;
            socket.Get(
                GenericNetlink.Request(family, DeviceGet).Attribute(Ifindex, (uint)device),
                "reading XDP features",
                (in NetlinkMessage message) => features = GenericNetlink.Number(message, XdpFeatures, features));
            return (features & ZeroCopy) != 0;
        }
        catch (NetlinkException)
        {
            return false;
        }
    }
}
