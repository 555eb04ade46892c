using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;

namespace TunnelBox.Configuration;

/// <content>The half that writes.</content>
public static partial class IpText
{
    /// <summary>Writes an address as inet_ntop(3) does, without zone.</summary>
    /// <param name="address">The address.</param>
    /// <param name="text">Receives ASCII text; at least <see cref="MaxSize"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Format(IPAddress address, Span<byte> text)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int size);
        return size == 4 ? FormatIPv4(bytes, text) : FormatIPv6(bytes, text);
    }

    /// <summary>Writes ADDRESS/LENGTH.</summary>
    /// <param name="network">The prefix.</param>
    /// <param name="text">Receives ASCII text; at least <see cref="MaxSize"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Format(IPNetwork network, Span<byte> text)
    {
        int at = Format(network.BaseAddress, text);
        text[at++] = (byte)'/';
        return at + FormatNumber((uint)network.PrefixLength, text[at..]);
    }

    /// <summary>Writes ADDRESS:PORT or [ADDRESS%ZONE]:PORT, the zone as its index.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="text">Receives ASCII text; at least <see cref="MaxSize"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Format(IPEndPoint endpoint, Span<byte> text)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        int at = 0;
        bool six = endpoint.AddressFamily == AddressFamily.InterNetworkV6;
        if (six)
        {
            text[at++] = (byte)'[';
        }

        at += Format(endpoint.Address, text[at..]);
        if (six)
        {
            if (endpoint.Address.ScopeId != 0)
            {
                text[at++] = (byte)'%';
                at += FormatNumber((ulong)endpoint.Address.ScopeId, text[at..]);
            }

            text[at++] = (byte)']';
        }

        text[at++] = (byte)':';
        return at + FormatNumber((uint)endpoint.Port, text[at..]);
    }

    private static int FormatNumber(ulong value, Span<byte> text)
    {
        Utf8Formatter.TryFormat(value, text, out int written);
        return written;
    }

    private static int FormatIPv4(ReadOnlySpan<byte> bytes, Span<byte> text)
    {
        int at = 0;
        for (int i = 0; i < 4; i++)
        {
            if (i > 0)
            {
                text[at++] = (byte)'.';
            }

            at += FormatNumber(bytes[i], text[at..]);
        }

        return at;
    }

    private static int FormatIPv6(ReadOnlySpan<byte> bytes, Span<byte> text)
    {
        Span<ushort> words = stackalloc ushort[8];
        for (int i = 0; i < 8; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt16BigEndian(bytes[(2 * i)..]);
        }

        // The first of the longest runs of at least two zero words becomes "::".
        (int start, int length) = (-1, 1);
        for (int i = 0; i < 8;)
        {
            int end = i;
            while (end < 8 && words[end] == 0)
            {
                end++;
            }

            if (end - i > length)
            {
                (start, length) = (i, end - i);
            }

            i = Math.Max(end, i + 1);
        }

        int at = 0;
        for (int i = 0; i < 8; i++)
        {
            if (i == start)
            {
                text[at++] = (byte)':';
                text[at++] = (byte)':';
                i += length - 1;
                continue;
            }

            if (i > 0 && (start < 0 || i != start + length))
            {
                text[at++] = (byte)':';
            }

            // glibc writes the last four bytes of ::a.b.c.d and ::ffff:a.b.c.d dotted.
            if (i == 6 && start == 0 && (length == 6 || (length == 5 && words[5] == 0xffff)))
            {
                return at + FormatIPv4(bytes[12..], text[at..]);
            }

            Utf8Formatter.TryFormat(words[i], text[at..], out int written, 'x');
            at += written;
        }

        return at;
    }
}
