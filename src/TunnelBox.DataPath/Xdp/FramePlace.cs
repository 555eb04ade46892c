using System.Globalization;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>On which NUMA node the frames of a device lie: the card's own, since it writes each of them.</summary>
internal static unsafe class FramePlace
{
    private const string Online = "/sys/devices/system/node/online";

    /// <summary>Has memory that nobody has touched yet come from the node of a device.</summary>
    /// <param name="address">The first byte, page-aligned.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="device">The device's name; empty for none.</param>
    /// <returns>Where the memory lies and why, a part of a sentence.</returns>
    public static string Place(nint address, nuint length, string device)
    {
        string? online = Read(Online);
        if (online is null or "0")
        {
            return "on NUMA node 0, the machine's only one";
        }

        if (NodeOf(device) is not { } node)
        {
            return device.Length == 0 ? "on whichever NUMA node the kernel takes" : $"on whichever NUMA node the kernel takes, since {device} belongs to none";
        }

        int error = Prefer(address, length, node);
        return error == 0 ? $"on NUMA node {node}, where {device} is" : $"on whichever NUMA node the kernel takes, since it refuses that of {device}, {node}: {Errno.Describe(error)}";
    }

    /// <summary>Has memory come from a node as long as that has some.</summary>
    /// <param name="address">The first byte, page-aligned.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="node">The node.</param>
    /// <returns>0, or −errno.</returns>
    internal static int Prefer(nint address, nuint length, int node) => LibC.mbind((void*)address, length, Definitions.MPOL_PREFERRED, node);

    // −1 stands for a device of no bus, and for a bus that tells none.
    private static int? NodeOf(string device) =>
        device.Length > 0 && int.TryParse(Read($"/sys/class/net/{device}/device/numa_node"), NumberStyles.None, CultureInfo.InvariantCulture, out int node) ? node : null;

    private static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
