namespace TunnelBox.Linux.Netlink;

/// <summary>How an XDP program is attached to an interface (linux/if_link.h, XDP_ATTACHED_*).</summary>
public enum XdpMode : byte
{
    /// <summary>None is.</summary>
    None = 0,

    /// <summary>In the driver.</summary>
    Native = 1,

    /// <summary>After the kernel has made its packet: slow, works with every device.</summary>
    Generic = 2,

    /// <summary>In the hardware.</summary>
    Offloaded = 3,

    /// <summary>Several of these at once.</summary>
    Several = 4,
}

/// <summary>The XDP program of an interface.</summary>
/// <param name="Mode">How it is attached.</param>
/// <param name="Program">The program's number in the kernel, 0 for none.</param>
public readonly record struct XdpAttachment(XdpMode Mode, uint Program)
{
    private const ushort IFLA_XDP = 43;
    private const ushort IFLA_XDP_ATTACHED = 2;
    private const ushort IFLA_XDP_PROG_ID = 4;

    /// <summary>Reads what is attached to an interface of the calling thread's network namespace.</summary>
    /// <param name="linkIndex">The interface.</param>
    /// <returns>What is attached.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static XdpAttachment Of(int linkIndex)
    {
        using NetlinkSocket socket = NetlinkSocket.Open(NetlinkSocket.Route);
        NetlinkWriter request = new(Rtnetlink.RTM_GETLINK, 0);
        request.Struct(new Rtnetlink.Ifinfomsg { Index = linkIndex });
        XdpAttachment found = default;
        socket.Get(request, $"looking up interface {linkIndex}", (in message) => found = Parse(message.Payload, found));
        return found;
    }

    /// <summary>Reads an RTM_NEWLINK.</summary>
    /// <param name="payload">The message after its header.</param>
    /// <param name="otherwise">The answer where the message says nothing of XDP.</param>
    /// <returns>What is attached.</returns>
    public static XdpAttachment Parse(ReadOnlySpan<byte> payload, XdpAttachment otherwise = default)
    {
        if (!NetlinkMessage.TrySplit(payload, out Rtnetlink.Ifinfomsg _, out NetlinkAttributes attributes))
        {
            return otherwise;
        }

        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type != IFLA_XDP)
            {
                continue;
            }

            XdpMode mode = XdpMode.None;
            uint program = 0;
            foreach (NetlinkAttribute part in new NetlinkAttributes(attribute.Payload))
            {
                mode = part.Type == IFLA_XDP_ATTACHED && part.Payload.Length > 0 ? (XdpMode)part.Payload[0] : mode;
                program = part.Type == IFLA_XDP_PROG_ID ? part.Number : program;
            }

            return new XdpAttachment(mode, program);
        }

        return otherwise;
    }
}
