namespace TunnelBox.Linux.Netlink;

/// <summary>What a device's driver can do with XDP, from the generic netlink family <c>netdev</c> (linux/netdev.h, Linux 6.3).</summary>
/// <param name="OffersZeroCopy">AF_XDP without a copy.</param>
/// <param name="ZeroCopyBuffers">Most buffers that a frame may take in that mode; 0 where it is not offered or not told (Linux 6.6).</param>
/// <param name="SumsChecksums">The device finishes checksums of frames that AF_XDP sends, where their metadata asks for it (Linux 6.8).</param>
public readonly record struct NetdevFeatures(bool OffersZeroCopy, int ZeroCopyBuffers, bool SumsChecksums)
{
    private const byte DeviceGet = 1;
    private const ushort Ifindex = 1;
    private const ushort XdpFeatures = 3;
    private const ushort XdpZeroCopySegments = 4;
    private const ushort XskFeatures = 6;
    private const ulong ZeroCopy = 1 << 3;
    private const ulong TransmitChecksum = 1 << 1;

    /// <summary>Asks what a driver can do.</summary>
    /// <param name="device">The device, in the calling thread's network namespace.</param>
    /// <returns>Nothing at all where the kernel cannot say.</returns>
    public static NetdevFeatures Of(int device)
    {
        try
        {
            using NetlinkSocket socket = NetlinkSocket.Open(GenericNetlink.Protocol);
            ushort family = GenericNetlink.Family(socket, "netdev");
            ulong features = 0;
            ulong segments = 0;
            ulong transmit = 0;
            socket.Get(
                GenericNetlink.Request(family, DeviceGet).Attribute(Ifindex, (uint)device),
                "reading XDP features",
                (in NetlinkMessage message) =>
                {
                    features = GenericNetlink.Number(message, XdpFeatures, features);
                    segments = GenericNetlink.Number(message, XdpZeroCopySegments, segments);
                    transmit = GenericNetlink.Number(message, XskFeatures, transmit);
                });
            return new NetdevFeatures((features & ZeroCopy) != 0, (int)Math.Min(segments, int.MaxValue), (transmit & TransmitChecksum) != 0);
        }
        catch (NetlinkException)
        {
            return default;
        }
    }
}
