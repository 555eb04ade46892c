using System.Buffers.Binary;
using System.Net;

namespace TunnelBox.DataPath.Xdp;

/// <summary>An IP address as a plain value.</summary>
/// <param name="Value">The address in host order: 128 bits for IPv6; for IPv4 the low 32 bits.</param>
/// <param name="IsIPv6">Its family.</param>
internal readonly record struct HostAddress(UInt128 Value, bool IsIPv6)
{
    /// <summary>Converts from the framework's type; a zone is left out.</summary>
    /// <param name="address">The address.</param>
    /// <returns>The value.</returns>
    public static HostAddress From(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int written);
        return written == 4
            ? new HostAddress(BinaryPrimitives.ReadUInt32BigEndian(bytes), false)
            : new HostAddress(BinaryPrimitives.ReadUInt128BigEndian(bytes), true);
    }
}
