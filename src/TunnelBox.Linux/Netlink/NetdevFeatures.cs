using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Netlink;

/// <summary>What a device's driver can do with XDP, from the generic netlink family <c>netdev</c> (linux/netdev.h, Linux 6.3).</summary>
public static class NetdevFeatures
{
    private const int Generic = 16;
    private const ushort ControlFamily = 16;
    private const byte GetFamily = 3;
    private const ushort FamilyId = 1;
    private const ushort FamilyName = 2;
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
            using NetlinkSocket socket = NetlinkSocket.Open(Generic);
            uint family = 0;
            socket.Get(
                new NetlinkWriter(ControlFamily, 0).Struct(new Header { Command = GetFamily, Version = 1 }).Attribute(FamilyName, "netdev"),
                "looking for the netdev family",
                (in NetlinkMessage message) => family = (uint)Number(message, FamilyId, family));
            ulong features = 0;
            socket.Get(
                new NetlinkWriter((ushort)family, 0).Struct(new Header { Command = DeviceGet, Version = 1 }).Attribute(Ifindex, (uint)device),
                "reading XDP features",
                (in NetlinkMessage message) => features = Number(message, XdpFeatures, features));
            return (features & ZeroCopy) != 0;
        }
        catch (NetlinkException)
        {
            return false;
        }
    }

    private static ulong Number(in NetlinkMessage message, ushort type, ulong otherwise)
    {
        if (NetlinkMessage.TrySplit(message.Payload, out Header _, out NetlinkAttributes attributes))
        {
            foreach (NetlinkAttribute attribute in attributes)
            {
                if (attribute.Type == type)
                {
                    return attribute.Payload.Length switch
                    {
                        >= 8 => MemoryMarshal.Read<ulong>(attribute.Payload),
                        >= 4 => MemoryMarshal.Read<uint>(attribute.Payload),
                        >= 2 => MemoryMarshal.Read<ushort>(attribute.Payload),
                        _ => otherwise,
                    };
                }
            }
        }

        return otherwise;
    }

    /// <summary>struct genlmsghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public byte Command;
        public byte Version;
        public ushort Reserved;
    }
}
