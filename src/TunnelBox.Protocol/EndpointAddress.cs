using System.Buffers.Binary;
using System.Net;

namespace TunnelBox.Protocol;

/// <summary>A peer's outer address: IP address, UDP port and, for link-local IPv6, the zone. A plain value, compared per burst.</summary>
/// <param name="Address">The address in host order: 128 bits for IPv6; for IPv4 the low 32 bits.</param>
/// <param name="Port">UDP port in host order.</param>
/// <param name="IsIPv6">Whether the address is IPv6. IPv4-mapped IPv6 addresses never occur: ports are per family.</param>
/// <param name="ScopeId">IPv6 zone (interface index), otherwise 0.</param>
public readonly record struct EndpointAddress(UInt128 Address, ushort Port, bool IsIPv6, uint ScopeId)
{
    /// <summary>Gets a value indicating whether this is no endpoint at all.</summary>
    public bool IsNone => Port == 0;

    /// <summary>Converts from the framework's type.</summary>
    /// <param name="endpoint">An IPv4 or IPv6 endpoint; IPv4-mapped addresses become IPv4.</param>
    /// <returns>The value.</returns>
    public static EndpointAddress From(IPEndPoint endpoint)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        IPAddress address = endpoint.Address.IsIPv4MappedToIPv6 ? endpoint.Address.MapToIPv4() : endpoint.Address;
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int written);
        return written == 4
            ? new EndpointAddress(BinaryPrimitives.ReadUInt32BigEndian(bytes), (ushort)endpoint.Port, false, 0)
            : new EndpointAddress(BinaryPrimitives.ReadUInt128BigEndian(bytes), (ushort)endpoint.Port, true, (uint)address.ScopeId);
    }

    /// <summary>Converts to the framework's type; for control paths, since it allocates.</summary>
    /// <returns>The endpoint.</returns>
    public IPEndPoint ToIPEndPoint()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (IsIPv6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(bytes, Address);
            return new IPEndPoint(new IPAddress(bytes, ScopeId), Port);
        }

        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)Address);
        return new IPEndPoint(new IPAddress(bytes[..4]), Port);
    }

    /// <summary>Writes the part of the address that a cookie is bound to: the address bytes and the port (both big-endian).</summary>
    /// <param name="destination">At least 18 bytes.</param>
    /// <returns>Bytes written: 6 or 18.</returns>
    public int WriteCookieInput(Span<byte> destination)
    {
        int length = IsIPv6 ? 16 : 4;
        if (IsIPv6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(destination, Address);
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)Address);
        }

        BinaryPrimitives.WriteUInt16BigEndian(destination[length..], Port);
        return length + 2;
    }

    /// <inheritdoc/>
    public override string ToString() => IsNone ? "(none)" : ToIPEndPoint().ToString();
}

/// <summary>
/// The local side of an outer path: the address our answers leave from (the sticky source) and the interface it was seen on.
/// </summary>
/// <param name="Address">As in <see cref="EndpointAddress"/>; 0 where unknown.</param>
/// <param name="InterfaceIndex">Interface index, or 0 where unknown.</param>
public readonly record struct SourceAddress(UInt128 Address, int InterfaceIndex);

/// <summary>
/// Where a peer is, as one immutable object: workers read the reference once per burst, and roaming replaces it.
/// </summary>
/// <param name="remote">The peer's address.</param>
/// <param name="local">Our side of the path.</param>
public sealed class Endpoint(EndpointAddress remote, SourceAddress local)
{
    // A field, not a property: workers compare it in place, without a copy of 40 bytes.
    private readonly EndpointAddress _remote = remote;
    private readonly SourceAddress _local = local;
    private int _sourceStale;
    private int _segmentationOff;

    /// <summary>Gets the peer's address.</summary>
    public ref readonly EndpointAddress Remote => ref _remote;

    /// <summary>Gets the address and interface our datagrams leave from.</summary>
    public ref readonly SourceAddress Local => ref _local;

    /// <summary>Gets or sets a value indicating whether the kernel refused the sticky source, so that it must choose anew.</summary>
    public bool SourceStale
    {
        get => Volatile.Read(ref _sourceStale) != 0;
        set => Volatile.Write(ref _sourceStale, value ? 1 : 0);
    }

    /// <summary>Gets or sets a value indicating whether segmentation offload was refused on the way to this endpoint.</summary>
    public bool SegmentationOff
    {
        get => Volatile.Read(ref _segmentationOff) != 0;
        set => Volatile.Write(ref _segmentationOff, value ? 1 : 0);
    }
}
