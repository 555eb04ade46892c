using System.Buffers.Binary;
using System.Net;

namespace TunnelBox.Control;

/// <summary>Says in a few words what the beginning of an IP packet is: addresses, ports, protocol.</summary>
public static class PacketText
{
    private const int Icmp = 1;
    private const int Tcp = 6;
    private const int Udp = 17;
    private const int Icmp6 = 58;

    /// <summary>Appends the words.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="packet">The captured beginning; whatever it is, it is only read within its bounds.</param>
    /// <returns>Whether it begins as an IP packet does; nothing is appended otherwise.</returns>
    public static bool Append(LineText text, ReadOnlySpan<byte> packet)
    {
        ArgumentNullException.ThrowIfNull(text);
        switch (packet.IsEmpty ? 0 : packet[0] >> 4)
        {
            case 4 when packet.Length >= 20:
                bool later = (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x1FFF) != 0;
                int header = (packet[0] & 15) * 4;
                Append(text, packet.Slice(12, 4), packet.Slice(16, 4), packet[9], later || header > packet.Length ? default : packet[header..], later);
                return true;
            case 6 when packet.Length >= 40:
                Append(text, packet.Slice(8, 16), packet.Slice(24, 16), packet[6], packet[40..], isFragment: false);
                return true;
            default:
                return false;
        }
    }

    private static void Append(LineText text, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to, byte protocol, ReadOnlySpan<byte> payload, bool isFragment)
    {
        bool hasPorts = protocol is Tcp or Udp && payload.Length >= 4;
        Append(text, from, hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(payload) : -1);
        text.Append(" > "u8);
        Append(text, to, hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(payload[2..]) : -1);
        text.Append(protocol switch
        {
            Icmp => " ICMP"u8,
            Icmp6 => " ICMPv6"u8,
            Tcp => " TCP"u8,
            Udp => " UDP"u8,
            _ => " protocol "u8,
        });
        if (protocol is not (Icmp or Icmp6 or Tcp or Udp))
        {
            text.Append(protocol);
        }

        if (isFragment)
        {
            text.Append(" fragment"u8);
        }
        else if (protocol == Tcp && payload.Length >= 14)
        {
            AppendFlags(text, payload[13]);
        }
        else if (protocol is Icmp or Icmp6 && payload.Length >= 1)
        {
            ReadOnlySpan<byte> type = (protocol, payload[0]) switch
            {
                (Icmp, 8) or (Icmp6, 128) => " echo request"u8,
                (Icmp, 0) or (Icmp6, 129) => " echo reply"u8,
                (Icmp, 3) or (Icmp6, 1) => " unreachable"u8,
                (Icmp6, 2) => " too big"u8,
                _ => default,
            };
            if (type.IsEmpty)
            {
                text.Append(" type "u8).Append(payload[0]);
            }
            else
            {
                text.Append(type);
            }
        }
    }

    private static void AppendFlags(LineText text, byte flags)
    {
        ReadOnlySpan<byte> letters = "FSRPAUEC"u8;
        text.Append(" ["u8);
        for (int i = 0; i < letters.Length; i++)
        {
            if ((flags & (1 << i)) != 0)
            {
                text.Append(letters.Slice(i, 1));
            }
        }

        text.Append("]"u8);
    }

    /// <summary>Appends an address, and a port behind it.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="address">4 or 16 bytes.</param>
    /// <param name="port">The port, or a negative number for none.</param>
    internal static void Append(LineText text, ReadOnlySpan<byte> address, int port)
    {
        if (address.Length == 4)
        {
            text.Append(address[0]).Append("."u8).Append(address[1]).Append("."u8).Append(address[2]).Append("."u8).Append(address[3]);
        }
        else
        {
            Span<byte> written = stackalloc byte[64];
            _ = new IPAddress(address).TryFormat(written, out int length);
            text.Append(port < 0 ? default : "["u8).Append(written[..length]).Append(port < 0 ? default : "]"u8);
        }

        if (port >= 0)
        {
            text.Append(":"u8).Append((ulong)port);
        }
    }
}
