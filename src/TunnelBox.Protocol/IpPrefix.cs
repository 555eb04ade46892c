using System.Buffers.Binary;
using System.Net;

namespace TunnelBox.Protocol;

/// <summary>An IPv4 or IPv6 prefix without host bits, as one plain value.</summary>
public readonly record struct IpPrefix
{
    /// <summary>Makes a prefix; host bits are cleared, as wg(8) does.</summary>
    /// <param name="address">The address in host order: 128 bits for IPv6; for IPv4 the low 32 bits, the rest zero.</param>
    /// <param name="length">Prefix length: 0 to 32, or 0 to 128.</param>
    /// <param name="isIPv6">Whether the address is IPv6.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is too large, or an IPv4 address has more than 32 bits.</exception>
    public IpPrefix(UInt128 address, int length, bool isIPv6)
    {
        int bits = isIPv6 ? 128 : 32;
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, bits);
        if (!isIPv6)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(address, uint.MaxValue);
        }

        // A shift by the full width would be taken modulo 128 and clear nothing.
        Address = length == 0 ? UInt128.Zero : address >> (bits - length) << (bits - length);
        Length = (byte)length;
        IsIPv6 = isIPv6;
    }

    /// <summary>Gets the address without host bits, in host order; for IPv4 in the low 32 bits.</summary>
    public UInt128 Address { get; }

    /// <summary>Gets the prefix length in bits.</summary>
    public byte Length { get; }

    /// <summary>Gets a value indicating whether this is an IPv6 prefix.</summary>
    public bool IsIPv6 { get; }

    /// <summary>Converts from the framework's type. IPv4-mapped IPv6 networks stay IPv6, as in the kernel.</summary>
    /// <param name="network">The network.</param>
    /// <returns>The prefix.</returns>
    public static IpPrefix From(IPNetwork network)
    {
        Span<byte> bytes = stackalloc byte[16];
        network.BaseAddress.TryWriteBytes(bytes, out int written);
        return written == 4
            ? new IpPrefix(BinaryPrimitives.ReadUInt32BigEndian(bytes), network.PrefixLength, false)
            : new IpPrefix(BinaryPrimitives.ReadUInt128BigEndian(bytes), network.PrefixLength, true);
    }

    /// <summary>Converts to the framework's type; for control paths, since it allocates.</summary>
    /// <returns>The network.</returns>
    public IPNetwork ToIPNetwork()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (IsIPv6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(bytes, Address);
            return new IPNetwork(new IPAddress(bytes), Length);
        }

        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)Address);
        return new IPNetwork(new IPAddress(bytes[..4]), Length);
    }

    /// <inheritdoc/>
    public override string ToString() => ToIPNetwork().ToString();
}
