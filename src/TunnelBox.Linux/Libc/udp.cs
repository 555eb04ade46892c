namespace TunnelBox.Linux.Libc;

/// <content>netinet/udp.h.</content>
public static partial class Definitions
{
    /// <summary>Bytes of a segment: one message becomes several datagrams.</summary>
    public const int UDP_SEGMENT = 103;

    /// <summary>Several datagrams may come as one message.</summary>
    public const int UDP_GRO = 104;
}
