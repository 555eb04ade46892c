using System.Net;
using System.Text;

namespace TunnelBox.Configuration;

/// <summary>
/// Reads the values of wg keys, the same in files and on command lines. Each method answers null, or what is wrong and what
/// is allowed. Values come without white space, as wg(8) sees them.
/// </summary>
public static class WgValues
{
    /// <summary>What a key must look like; used without the key itself, since it may be a secret.</summary>
    public const string KeyFault = "this is not a key; 44 characters of base64 are allowed, as \"tunnelctl genkey\" prints them.";

    /// <summary>Reads a UDP port to listen on.</summary>
    /// <param name="value">The text.</param>
    /// <param name="port">The port.</param>
    /// <returns>Null, or the fault.</returns>
    public static string? Port(ReadOnlySpan<byte> value, out ushort port)
    {
        bool ok = IpText.TryParseDecimal(value, ushort.MaxValue, out uint number);
        port = (ushort)number;
        return ok ? null : $"{ConfigurationFault.Quote(value)} is not a port; 0 to 65535 is allowed, and 0 lets the kernel choose.";
    }

    /// <summary>Reads a firewall mark: "off", a decimal number, or 0x and a hexadecimal one.</summary>
    /// <param name="value">The text.</param>
    /// <param name="mark">The mark, 0 for off.</param>
    /// <returns>Null, or the fault.</returns>
    public static string? FirewallMark(ReadOnlySpan<byte> value, out uint mark)
    {
        mark = 0;
        if (Ascii.EqualsIgnoreCase(value, "off"u8) || IpText.TryParseDecimal(value, uint.MaxValue, out mark)
            || (value.StartsWith("0x"u8) && value.Length > 2 && TryParseHex(value[2..], out mark)))
        {
            return null;
        }

        return $"{ConfigurationFault.Quote(value)} is not a mark; \"off\", 0 to 4294967295, or 0x0 to 0xffffffff is allowed.";
    }

    /// <summary>Reads a persistent keepalive interval: "off" or seconds.</summary>
    /// <param name="value">The text.</param>
    /// <param name="seconds">The interval, 0 for off.</param>
    /// <returns>Null, or the fault.</returns>
    public static string? Keepalive(ReadOnlySpan<byte> value, out ushort seconds)
    {
        uint number = 0;
        bool ok = Ascii.EqualsIgnoreCase(value, "off"u8) || IpText.TryParseDecimal(value, ushort.MaxValue, out number);
        seconds = (ushort)number;
        return ok ? null : $"{ConfigurationFault.Quote(value)} is not an interval; \"off\" or 0 to 65535 seconds is allowed.";
    }

    /// <summary>Reads HOST:PORT; the host is not looked up.</summary>
    /// <param name="value">The text.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <returns>Null, or the fault.</returns>
    public static string? Endpoint(ReadOnlySpan<byte> value, out HostPort endpoint)
    {
        endpoint = default;
        int colon = value.LastIndexOf((byte)':');
        if (colon <= 0 || value.Length > 300 || !IpText.TryParseDecimal(value[(colon + 1)..], ushort.MaxValue, out uint port))
        {
            return EndpointFault(value);
        }

        ReadOnlySpan<byte> host = value[..colon];
        if (host.Length > 2 && host[0] == (byte)'[' && host[^1] == (byte)']')
        {
            host = host[1..^1];
        }

        // wg takes an IPv6 address without brackets too: whatever stands before the last colon.
        bool six = host.Contains((byte)':');
        int zone = host.IndexOf((byte)'%');
        if (six && !IpText.TryParseAddress(zone < 0 ? host : host[..zone], out _))
        {
            return EndpointFault(value);
        }

        foreach (byte c in host)
        {
            // Names are left to the resolver, but no character that could not be in one.
            if (!char.IsAsciiLetterOrDigit((char)c) && c is not ((byte)'.' or (byte)'-' or (byte)'_') && !(six && c is (byte)':' or (byte)'%'))
            {
                return EndpointFault(value);
            }
        }

        endpoint = new HostPort(Encoding.ASCII.GetString(host), (ushort)port);
        return null;
    }

    /// <summary>Reads a list of allowed IPs, separated by commas, each perhaps with a '+' or '-' before it.</summary>
    /// <param name="value">The text; empty is an empty list.</param>
    /// <param name="entries">Receives the entries.</param>
    /// <param name="hostBits">Receives the texts whose host bits were cleared.</param>
    /// <returns>Null, or the first fault.</returns>
    public static string? AllowedIps(ReadOnlySpan<byte> value, List<AllowedIpEntry> entries, List<string> hostBits)
    {
        ArgumentNullException.ThrowIfNull(entries);
        ArgumentNullException.ThrowIfNull(hostBits);
        while (!value.IsEmpty)
        {
            int comma = value.IndexOf((byte)',');
            ReadOnlySpan<byte> part = comma < 0 ? value : value[..comma];
            bool last = comma < 0;
            value = last ? default : value[(comma + 1)..];
            AllowedIpSign sign = part.IsEmpty ? AllowedIpSign.None : part[0] switch
            {
                (byte)'+' => AllowedIpSign.Plus,
                (byte)'-' => AllowedIpSign.Minus,
                _ => AllowedIpSign.None,
            };
            ReadOnlySpan<byte> text = sign == AllowedIpSign.None ? part : part[1..];
            if ((!last && value.IsEmpty) || !IpText.TryParseNetwork(text, lengthNeeded: false, out IPNetwork network, out bool cleared))
            {
                string found = part.IsEmpty || (!last && value.IsEmpty) ? "an empty entry" : ConfigurationFault.Quote(part);
                return $"{found} is not an allowed IP; ADDRESS or ADDRESS/LENGTH is allowed, several with commas between them.";
            }

            if (cleared)
            {
                hostBits.Add(Encoding.ASCII.GetString(text));
            }

            entries.Add(new AllowedIpEntry(network, sign));
        }

        return null;
    }

    private static string EndpointFault(ReadOnlySpan<byte> value) =>
        $"{ConfigurationFault.Quote(value)} is not an endpoint; HOST:PORT is allowed, or [ADDRESS]:PORT for IPv6.";

    private static bool TryParseHex(ReadOnlySpan<byte> digits, out uint value)
    {
        ulong sum = 0;
        value = 0;
        foreach (byte c in digits)
        {
            if (!char.IsAsciiHexDigit((char)c))
            {
                return false;
            }

            sum = (sum << 4) | (uint)((c & 15) + (c >= 'A' ? 9 : 0));
            if (sum > uint.MaxValue)
            {
                return false;
            }
        }

        value = (uint)sum;
        return true;
    }
}
