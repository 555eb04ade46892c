using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libc;

/// <content>netinet/in.h.</content>
public static partial class Definitions
{
    /// <summary>Options of IPv4.</summary>
    public const int IPPROTO_IP = 0;

    /// <summary>ICMP.</summary>
    public const int IPPROTO_ICMP = 1;

    /// <summary>TCP.</summary>
    public const int IPPROTO_TCP = 6;

    /// <summary>UDP.</summary>
    public const int IPPROTO_UDP = 17;

    /// <summary>Options of IPv6.</summary>
    public const int IPPROTO_IPV6 = 41;

    /// <summary>ICMPv6.</summary>
    public const int IPPROTO_ICMPV6 = 58;

    /// <summary>The type-of-service byte.</summary>
    public const int IP_TOS = 1;

    /// <summary>Errors come to a queue of their own.</summary>
    public const int IP_RECVERR = 11;

    /// <summary>Local address and interface of a datagram.</summary>
    public const int IP_PKTINFO = 8;

    /// <summary>Whether to set DF.</summary>
    public const int IP_MTU_DISCOVER = 10;

    /// <summary>Deliver the type-of-service byte.</summary>
    public const int IP_RECVTOS = 13;

    /// <summary>Never set DF: routers may fragment.</summary>
    public const int IP_PMTUDISC_DONT = 0;

    /// <summary>No IPv4 on this socket.</summary>
    public const int IPV6_V6ONLY = 26;

    /// <summary>Whether to refuse to fragment.</summary>
    public const int IPV6_MTU_DISCOVER = 23;

    /// <summary>Errors come to a queue of their own.</summary>
    public const int IPV6_RECVERR = 25;

    /// <summary>Deliver local address and interface.</summary>
    public const int IPV6_RECVPKTINFO = 49;

    /// <summary>Local address and interface of a datagram.</summary>
    public const int IPV6_PKTINFO = 50;

    /// <summary>Deliver the traffic class.</summary>
    public const int IPV6_RECVTCLASS = 66;

    /// <summary>The traffic class.</summary>
    public const int IPV6_TCLASS = 67;

    /// <summary>Fragment as needed.</summary>
    public const int IPV6_PMTUDISC_DONT = 0;
}

/// <summary>struct sockaddr_in of netinet/in.h; numbers in network byte order.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct sockaddr_in
{
    /// <summary>AF_INET.</summary>
    public ushort sin_family;

    /// <summary>Port, big-endian.</summary>
    public ushort sin_port;

    /// <summary>Address, big-endian.</summary>
    public uint sin_addr;

    /// <summary>Zero.</summary>
    public ulong sin_zero;
}

/// <summary>struct sockaddr_in6 of netinet/in.h; numbers in network byte order except the scope.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct sockaddr_in6
{
    /// <summary>AF_INET6.</summary>
    public ushort sin6_family;

    /// <summary>Port, big-endian.</summary>
    public ushort sin6_port;

    /// <summary>Flow label, big-endian.</summary>
    public uint sin6_flowinfo;

    /// <summary>Address.</summary>
    public fixed byte sin6_addr[16];

    /// <summary>Interface index of a link-local address.</summary>
    public uint sin6_scope_id;
}

/// <summary>struct in_pktinfo of netinet/in.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct in_pktinfo
{
    /// <summary>Interface index.</summary>
    public int ipi_ifindex;

    /// <summary>The local address that answers leave from, big-endian.</summary>
    public uint ipi_spec_dst;

    /// <summary>The address in the header, big-endian.</summary>
    public uint ipi_addr;
}

/// <summary>struct in6_pktinfo of netinet/in.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct in6_pktinfo
{
    /// <summary>Local address.</summary>
    public fixed byte ipi6_addr[16];

    /// <summary>Interface index.</summary>
    public uint ipi6_ifindex;
}
