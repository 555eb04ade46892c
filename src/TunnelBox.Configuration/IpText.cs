using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net;

namespace TunnelBox.Configuration;

/// <summary>
/// IP addresses, prefixes and endpoints as text, exactly as inet_pton(3) reads and inet_ntop(3) writes them: the
/// framework's own parser takes more (octal, short forms) and its formatter writes some addresses otherwise.
/// </summary>
public static partial class IpText
{
    /// <summary>Bytes that the longest endpoint or prefix takes, a zone index included.</summary>
    public const int MaxSize = 80;

    /// <summary>Reads an address without zone.</summary>
    /// <param name="text">ASCII text.</param>
    /// <param name="address">The address, when the answer is true.</param>
    /// <returns>Whether the text was an address.</returns>
    public static bool TryParseAddress(ReadOnlySpan<byte> text, out IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (text.Contains((byte)':'))
        {
            if (!TryParseIPv6(text, bytes))
            {
                address = IPAddress.None;
                return false;
            }

            address = new IPAddress(bytes);
            return true;
        }

        if (!TryParseIPv4(text, bytes))
        {
            address = IPAddress.None;
            return false;
        }

        address = new IPAddress(bytes[..4]);
        return true;
    }

    /// <summary>Reads ADDRESS/LENGTH, or ADDRESS alone where allowed, and clears the host bits.</summary>
    /// <param name="text">ASCII text.</param>
    /// <param name="lengthNeeded">Whether the part after the slash must be there.</param>
    /// <param name="network">The prefix, when the answer is true.</param>
    /// <param name="hostBits">Whether host bits had to be cleared.</param>
    /// <returns>Whether the text was a prefix.</returns>
    public static bool TryParseNetwork(ReadOnlySpan<byte> text, bool lengthNeeded, out IPNetwork network, out bool hostBits)
    {
        network = default;
        hostBits = false;
        int slash = text.IndexOf((byte)'/');
        ReadOnlySpan<byte> host = slash < 0 ? text : text[..slash];
        Span<byte> bytes = stackalloc byte[16];
        int size = 4;
        if (host.Contains((byte)':'))
        {
            size = 16;
            if (!TryParseIPv6(host, bytes))
            {
                return false;
            }
        }
        else if (!TryParseIPv4(host, bytes))
        {
            return false;
        }

        uint length = (uint)(8 * size);
        if (slash >= 0 ? !TryParseDecimal(text[(slash + 1)..], length, out length) : lengthNeeded)
        {
            return false;
        }

        hostBits = ClearHostBits(bytes[..size], (int)length);
        network = new IPNetwork(new IPAddress(bytes[..size]), (int)length);
        return true;
    }

    /// <summary>Reads ADDRESS:PORT or [ADDRESS]:PORT; an IPv6 address may carry a zone (%NAME or %INDEX).</summary>
    /// <param name="text">ASCII text.</param>
    /// <param name="endpoint">The endpoint, when the answer is true.</param>
    /// <returns>Whether the text was a numeric endpoint.</returns>
    public static bool TryParseEndpoint(ReadOnlySpan<byte> text, out IPEndPoint endpoint)
    {
        endpoint = new IPEndPoint(0, 0);
        int colon = text.LastIndexOf((byte)':');
        if (colon <= 0 || !TryParseDecimal(text[(colon + 1)..], 65535, out uint port))
        {
            return false;
        }

        ReadOnlySpan<byte> host = text[..colon];
        bool bracketed = host.Length > 2 && host[0] == (byte)'[' && host[^1] == (byte)']';
        if (!bracketed)
        {
            Span<byte> four = stackalloc byte[4];
            if (!TryParseIPv4(host, four))
            {
                return false;
            }

            endpoint = new IPEndPoint(new IPAddress(four), (int)port);
            return true;
        }

        host = host[1..^1];
        long zone = 0;
        int percent = host.IndexOf((byte)'%');
        if (percent >= 0)
        {
            if (!TryParseZone(host[(percent + 1)..], out zone))
            {
                return false;
            }

            host = host[..percent];
        }

        Span<byte> bytes = stackalloc byte[16];
        if (!TryParseIPv6(host, bytes))
        {
            return false;
        }

        endpoint = new IPEndPoint(new IPAddress(bytes, zone), (int)port);
        return true;
    }

    /// <summary>Reads a decimal number without sign.</summary>
    /// <param name="text">ASCII digits.</param>
    /// <param name="max">Largest number allowed.</param>
    /// <param name="value">The number, when the answer is true.</param>
    /// <returns>Whether the text was such a number.</returns>
    public static bool TryParseDecimal(ReadOnlySpan<byte> text, uint max, out uint value)
    {
        ulong sum = 0;
        value = 0;
        if (text.IsEmpty || text.Length > 64)
        {
            return false;
        }

        foreach (byte c in text)
        {
            uint digit = (uint)(c - '0');
            sum = (sum * 10) + digit;
            if (digit > 9 || sum > max)
            {
                return false;
            }
        }

        value = (uint)sum;
        return true;
    }

    private static bool TryParseZone(ReadOnlySpan<byte> text, out long zone)
    {
        zone = 0;
        if (TryParseDecimal(text, uint.MaxValue, out uint index))
        {
            zone = index;
            return true;
        }

        if (text.Length is 0 or > 15)
        {
            return false;
        }

        // The framework turns an interface's name into its index; it answers only for an interface that exists.
        Span<char> probe = stackalloc char[32];
        "fe80::1%".CopyTo(probe);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is <= 32 or >= 127 or (byte)']' or (byte)'/' or (byte)'%')
            {
                return false;
            }

            probe[8 + i] = (char)text[i];
        }

        if (!IPAddress.TryParse(probe[..(8 + text.Length)], out IPAddress? parsed))
        {
            return false;
        }

        zone = parsed.ScopeId;
        return zone != 0;
    }

    private static bool TryParseIPv4(ReadOnlySpan<byte> text, Span<byte> bytes)
    {
        int at = 0;
        for (int part = 0; part < 4; part++)
        {
            int start = at;
            int value = 0;
            while (at < text.Length && (uint)(text[at] - '0') <= 9 && at - start < 3)
            {
                value = (value * 10) + text[at++] - '0';
            }

            if (at == start || value > 255 || (text[start] == (byte)'0' && at - start > 1))
            {
                return false;
            }

            bytes[part] = (byte)value;
            if (part < 3 && (at >= text.Length || text[at++] != (byte)'.'))
            {
                return false;
            }
        }

        return at == text.Length;
    }

    private static bool TryParseIPv6(ReadOnlySpan<byte> text, Span<byte> bytes)
    {
        bytes = bytes[..16];
        bytes.Clear();
        int words = 0;
        int gap = -1;
        int at = 0;
        if (text.StartsWith("::"u8))
        {
            gap = 0;
            at = 2;
        }

        while (at < text.Length)
        {
            ReadOnlySpan<byte> rest = text[at..];
            int colon = rest.IndexOf((byte)':');
            ReadOnlySpan<byte> word = colon < 0 ? rest : rest[..colon];
            if (word.Contains((byte)'.'))
            {
                if (colon >= 0 || words > 6 || !TryParseIPv4(word, bytes[(2 * words)..]))
                {
                    return false;
                }

                words += 2;
                break;
            }

            if (words == 8 || word.Length is 0 or > 4 || !Utf8Parser.TryParse(word, out ushort value, out int used, 'x') || used != word.Length)
            {
                return false;
            }

            BinaryPrimitives.WriteUInt16BigEndian(bytes[(2 * words++)..], value);
            if (colon < 0)
            {
                break;
            }

            at += colon + 1;
            if (at < text.Length && text[at] == (byte)':')
            {
                if (gap >= 0)
                {
                    return false;
                }

                gap = words;
                at++;
            }
            else if (at == text.Length)
            {
                return false;
            }
        }

        if (gap < 0)
        {
            return words == 8;
        }

        if (words > 7)
        {
            return false;
        }

        int tail = 2 * (words - gap);
        bytes.Slice(2 * gap, tail).CopyTo(bytes[(16 - tail)..]);
        bytes[(2 * gap)..(16 - tail)].Clear();
        return true;
    }

    private static bool ClearHostBits(Span<byte> bytes, int length)
    {
        int cleared = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            int keep = Math.Clamp(length - (8 * i), 0, 8);
            byte mask = (byte)(0xff00 >> keep);
            cleared |= bytes[i] & ~mask;
            bytes[i] &= mask;
        }

        return cleared != 0;
    }
}
