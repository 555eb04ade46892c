using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>Gives names to what the kernel drops at an AF_XDP socket, of which no packet ever reaches a worker.</summary>
internal static class XdpDrops
{
    /// <summary>Counts what was dropped between two readings.</summary>
    /// <param name="counters">Where.</param>
    /// <param name="now">The later reading.</param>
    /// <param name="before">The earlier one.</param>
    /// <param name="isInner">Whether the device is on the inner side, where what is received goes out into the tunnel.</param>
    public static void Count(CounterBlock counters, in xdp_statistics now, in xdp_statistics before, bool isInner = false)
    {
        // rx_invalid_descs is never counted up: an invalid entry of the fill ring counts as an empty one.
        // A frame that finds the fill ring empty counts as dropped as well.
        long starved = Grown(now.rx_fill_ring_empty_descs, before.rx_fill_ring_empty_descs);
        counters.CountDrop(isInner ? DropReason.OutXdpNoFrame : DropReason.InXdpNoFrame, starved);
        counters.CountDrop(isInner ? DropReason.OutXdpRefused : DropReason.InXdpRefused, Math.Max(Grown(now.rx_dropped, before.rx_dropped) - starved, 0));
        counters.CountDrop(isInner ? DropReason.OutXdpRingFull : DropReason.InXdpRingFull, Grown(now.rx_ring_full, before.rx_ring_full));
        counters.CountDrop(isInner ? DropReason.InXdpBadDescriptor : DropReason.OutXdpBadDescriptor, Grown(now.tx_invalid_descs, before.tx_invalid_descs));
    }

    /// <summary>Counts frames that the device threw away between two readings of <see cref="XdpQueue.Refused"/>.</summary>
    /// <param name="counters">Where.</param>
    /// <param name="now">The later reading.</param>
    /// <param name="before">The earlier one.</param>
    /// <param name="isInner">Whether the device is on the inner side, where what is transmitted came in from the tunnel.</param>
    public static void CountRefused(CounterBlock counters, long now, long before, bool isInner = false) =>
        counters.CountDrop(isInner ? DropReason.InXdpNotSent : DropReason.OutXdpNotSent, now - before);

    /// <summary>Counts frames that reached no socket between two readings of <see cref="RedirectFailures.Read"/>.</summary>
    /// <param name="counters">Where.</param>
    /// <param name="now">The later reading.</param>
    /// <param name="before">The earlier one.</param>
    /// <param name="isInner">Whether the device is on the inner side, where what is received goes out into the tunnel.</param>
    public static void CountRedirects(CounterBlock counters, long now, long before, bool isInner = false) =>
        counters.CountDrop(isInner ? DropReason.OutXdpRedirectFailed : DropReason.InXdpRedirectFailed, now - before);

    private static long Grown(ulong now, ulong before) => now > before ? (long)(now - before) : 0;
}
