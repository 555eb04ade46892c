using System.Net;
using System.Text;

namespace TunnelBox.Configuration;

/// <summary>Reads the keys that wg-quick(8) adds to [Interface].</summary>
/// <param name="section">Receives the values.</param>
/// <param name="fault">Told the key and what is wrong.</param>
internal readonly struct WgQuickKeys(WgInterface section, Action<string, string> fault)
{
    /// <summary>Smallest MTU that IPv4 allows (RFC 791).</summary>
    public const int MinMtu = 68;

    /// <summary>Largest MTU that a TUN device takes.</summary>
    public const int MaxMtu = 65_535;

    /// <summary>Takes one key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value, trimmed, inner spaces and all.</param>
    /// <returns>Whether the key is one of wg-quick's.</returns>
    public bool Take(string key, ReadOnlySpan<byte> value)
    {
        string text = Encoding.UTF8.GetString(value);
        switch (key.ToLowerInvariant())
        {
            case "address":
                Addresses(key, text);
                break;
            case "dns":
                Dns(key, text);
                break;
            case "mtu":
                Mtu(key, value);
                break;
            case "table":
                section.HasTable = true;
                Table(key, value);
                break;
            case "preup":
                section.PreUp.Add(text);
                break;
            case "postup":
                section.PostUp.Add(text);
                break;
            case "predown":
                section.PreDown.Add(text);
                break;
            case "postdown":
                section.PostDown.Add(text);
                break;
            case "saveconfig":
                section.SaveConfig = text.Equals("true", StringComparison.OrdinalIgnoreCase);
                if (!section.SaveConfig && !text.Equals("false", StringComparison.OrdinalIgnoreCase))
                {
                    fault(key, $"{ConfigurationFault.Quote(value)} is neither; \"true\" or \"false\" is allowed.");
                }

                break;
            default:
                return false;
        }

        return true;
    }

    private static string[] Words(string text) => text.Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries);

    private void Addresses(string key, string text)
    {
        foreach (string word in Words(text))
        {
            byte[] bytes = Encoding.UTF8.GetBytes(word);
            int slash = word.IndexOf('/');
            if (!IpText.TryParseNetwork(bytes, lengthNeeded: false, out IPNetwork network, out _)
                || !IpText.TryParseAddress(slash < 0 ? bytes : bytes.AsSpan(0, slash), out IPAddress address))
            {
                fault(key, $"{ConfigurationFault.Quote(bytes)} is not an address; ADDRESS or ADDRESS/LENGTH is allowed, several with commas between them.");
                continue;
            }

            section.Addresses.Add(new InterfaceAddress(address, network.PrefixLength));
        }
    }

    private void Dns(string key, string text)
    {
        foreach (string word in Words(text))
        {
            byte[] bytes = Encoding.UTF8.GetBytes(word);
            if (IpText.TryParseAddress(bytes, out IPAddress address))
            {
                section.DnsServers.Add(address);
            }
            else if (word.Length <= 253 && word.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')
                && !word.All(c => char.IsAsciiDigit(c) || c == '.'))
            {
                section.DnsSearch.Add(word);
            }
            else
            {
                fault(key, $"{ConfigurationFault.Quote(bytes)} is neither; the address of a server or a search domain is allowed.");
            }
        }
    }

    private void Mtu(string key, ReadOnlySpan<byte> value)
    {
        if (IpText.TryParseDecimal(value, MaxMtu, out uint mtu) && mtu >= MinMtu)
        {
            section.Mtu = (int)mtu;
            return;
        }

        fault(key, $"{ConfigurationFault.Quote(value)} is not an MTU; {MinMtu} to {MaxMtu} bytes are allowed.");
    }

    private void Table(string key, ReadOnlySpan<byte> value)
    {
        if (Ascii.EqualsIgnoreCase(value, "off"u8))
        {
            section.Table = RouteTable.Off;
        }
        else if (Ascii.EqualsIgnoreCase(value, "auto"u8) || value.IsEmpty)
        {
            section.Table = RouteTable.Auto;
        }
        else if (IpText.TryParseDecimal(value, uint.MaxValue, out uint id) && id > 0)
        {
            section.Table = new RouteTable(RouteTableKind.Fixed, id);
        }
        else if (NamedTable(value) is { } named)
        {
            section.Table = new RouteTable(RouteTableKind.Fixed, named);
        }
        else
        {
            fault(key, $"{ConfigurationFault.Quote(value)} is not a routing table; \"off\", \"auto\", a number from 1, or main, default, local is allowed.");
        }
    }

    /// <summary>The three names that rt_tables(5) always has.</summary>
    private static uint? NamedTable(ReadOnlySpan<byte> value) =>
        value.SequenceEqual("main"u8) ? 254u
        : value.SequenceEqual("default"u8) ? 253u
        : value.SequenceEqual("local"u8) ? 255u
        : null;
}
