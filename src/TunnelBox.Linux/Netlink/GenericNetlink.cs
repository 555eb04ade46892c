using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Netlink;

/// <summary>Requests to families of generic netlink (linux/genetlink.h).</summary>
internal static class GenericNetlink
{
    /// <summary>The protocol of the socket.</summary>
    public const int Protocol = 16;

    private const ushort ControlFamily = 16;
    private const byte GetFamily = 3;
    private const ushort FamilyId = 1;
    private const ushort FamilyName = 2;

    /// <summary>Looks a family up.</summary>
    /// <param name="socket">A socket of <see cref="Protocol"/>.</param>
    /// <param name="name">The family's name.</param>
    /// <returns>Its number, the type of its messages.</returns>
    /// <exception cref="NetlinkException">The kernel does not have it.</exception>
    public static ushort Family(NetlinkSocket socket, string name)
    {
        uint family = 0;
        socket.Get(
            new NetlinkWriter(ControlFamily, 0).Struct(new Header { Command = GetFamily, Version = 1 }).Attribute(FamilyName, name),
            $"looking for the {name} family",
            (in NetlinkMessage message) => family = (uint)Number(message, FamilyId, family));
        return (ushort)family;
    }

    /// <summary>Begins a request.</summary>
    /// <param name="family">The family.</param>
    /// <param name="command">The command.</param>
    /// <returns>The request with its header.</returns>
    public static NetlinkWriter Request(ushort family, byte command) =>
        new NetlinkWriter(family, 0).Struct(new Header { Command = command, Version = 1 });

    /// <summary>Reads a number of 16, 32 or 64 bits from an answer.</summary>
    /// <param name="message">The answer.</param>
    /// <param name="type">The attribute.</param>
    /// <param name="otherwise">What it is where the answer does not say.</param>
    /// <returns>The number.</returns>
    public static ulong Number(in NetlinkMessage message, ushort type, ulong otherwise)
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
