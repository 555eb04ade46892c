using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Udp;

/// <summary>Converts between <see cref="EndpointAddress"/> and the kernel's socket addresses.</summary>
internal static unsafe class SocketAddress
{
    /// <summary>Writes a socket address.</summary>
    /// <param name="address">What to write.</param>
    /// <param name="destination">Room for a sockaddr_in6.</param>
    /// <returns>Bytes written.</returns>
    public static uint Write(in EndpointAddress address, byte* destination)
    {
        if (!address.IsIPv6)
        {
            var v4 = (sockaddr_in*)destination;
            v4->sin_family = Definitions.AF_INET;
            v4->sin_port = BinaryPrimitives.ReverseEndianness(address.Port);
            v4->sin_addr = BinaryPrimitives.ReverseEndianness((uint)address.Address);
            v4->sin_zero = 0;
            return (uint)sizeof(sockaddr_in);
        }

        var v6 = (sockaddr_in6*)destination;
        v6->sin6_family = Definitions.AF_INET6;
        v6->sin6_port = BinaryPrimitives.ReverseEndianness(address.Port);
        v6->sin6_flowinfo = 0;
        WriteAddress(address.Address, v6->sin6_addr);
        v6->sin6_scope_id = address.ScopeId;
        return (uint)sizeof(sockaddr_in6);
    }

    /// <summary>Reads an IPv4 socket address.</summary>
    /// <param name="source">A sockaddr_in.</param>
    /// <returns>The address.</returns>
    public static EndpointAddress ReadIPv4(byte* source)
    {
        var v4 = (sockaddr_in*)source;
        return new EndpointAddress(
            BinaryPrimitives.ReverseEndianness(v4->sin_addr), BinaryPrimitives.ReverseEndianness(v4->sin_port), false, 0);
    }

    /// <summary>Reads an IPv6 socket address.</summary>
    /// <param name="source">A sockaddr_in6.</param>
    /// <returns>The address.</returns>
    public static EndpointAddress ReadIPv6(byte* source)
    {
        var v6 = (sockaddr_in6*)source;
        return new EndpointAddress(
            ReadAddress(v6->sin6_addr), BinaryPrimitives.ReverseEndianness(v6->sin6_port), true, v6->sin6_scope_id);
    }

    /// <summary>Writes an IPv6 address in network order.</summary>
    /// <param name="address">In host order.</param>
    /// <param name="destination">16 bytes.</param>
    public static void WriteAddress(UInt128 address, byte* destination)
    {
        Unsafe.WriteUnaligned(destination, BinaryPrimitives.ReverseEndianness((ulong)(address >> 64)));
        Unsafe.WriteUnaligned(destination + 8, BinaryPrimitives.ReverseEndianness((ulong)address));
    }

    /// <summary>Reads an IPv6 address in network order.</summary>
    /// <param name="source">16 bytes.</param>
    /// <returns>In host order.</returns>
    public static UInt128 ReadAddress(byte* source) => new(
        BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<ulong>(source)),
        BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<ulong>(source + 8)));
}
