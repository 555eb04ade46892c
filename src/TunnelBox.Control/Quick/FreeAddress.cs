using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace TunnelBox.Control.Quick;

/// <summary>Finds the next address of a subnet that nobody has.</summary>
public static class FreeAddress
{
    /// <summary>Finds the lowest free address.</summary>
    /// <param name="subnet">Where to look; its own address and, for IPv4, its broadcast address are never given.</param>
    /// <param name="used">Networks that are taken. One as wide as the subnet or wider takes nothing: longer prefixes win over it.</param>
    /// <returns>The address, or null where all are taken.</returns>
    public static IPAddress? In(IPNetwork subnet, IEnumerable<IPNetwork> used)
    {
        ArgumentNullException.ThrowIfNull(used);
        AddressFamily family = subnet.BaseAddress.AddressFamily;
        int bits = family == AddressFamily.InterNetwork ? 32 : 128;
        UInt128 first = Number(subnet.BaseAddress);
        UInt128 last = Last(first, bits - subnet.PrefixLength);
        UInt128 candidate = first + (subnet.PrefixLength < bits - 1 ? UInt128.One : UInt128.Zero);
        last -= bits == 32 && subnet.PrefixLength < 31 ? UInt128.One : UInt128.Zero;
        foreach ((UInt128 start, UInt128 end) in used
            .Where(network => network.BaseAddress.AddressFamily == family && network.PrefixLength > subnet.PrefixLength)
            .Select(network => (Start: Number(network.BaseAddress), End: Last(Number(network.BaseAddress), bits - network.PrefixLength)))
            .OrderBy(range => range.Start))
        {
            if (start > candidate)
            {
                break;
            }

            if (end >= last && candidate <= last)
            {
                return null;
            }

            candidate = end >= candidate ? end + 1 : candidate;
        }

        return candidate <= last ? Address(candidate, family) : null;
    }

    private static UInt128 Last(UInt128 first, int hostBits) => hostBits == 128 ? UInt128.MaxValue : first + ((UInt128.One << hostBits) - 1);

    private static UInt128 Number(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        int length = address.AddressFamily == AddressFamily.InterNetwork ? 4 : 16;
        address.TryWriteBytes(bytes[(16 - length)..], out _);
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private static IPAddress Address(UInt128 number, AddressFamily family)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        return new IPAddress(family == AddressFamily.InterNetwork ? bytes[12..] : bytes);
    }
}
