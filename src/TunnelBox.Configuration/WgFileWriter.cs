using System.Net;
using TunnelBox.Crypto;

namespace TunnelBox.Configuration;

/// <summary>Writes the wg format, in the layout of "wg showconf"; wg-quick's keys come first in [Interface].</summary>
public static class WgFileWriter
{
    /// <summary>Writes a file; the buffer that held its secrets is wiped.</summary>
    /// <param name="file">What to write.</param>
    /// <param name="stream">Where to.</param>
    /// <param name="quick">Whether wg-quick's keys and the comments are written too; <c>strip</c> and <c>showconf</c> leave them out.</param>
    public static void Write(WgFile file, Stream stream, bool quick)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(stream);
        using SecretWriter text = new(stream);
        Interface(text, file.Interface, quick);
        for (int i = 0; i < file.Peers.Count; i++)
        {
            if (i > 0)
            {
                text.Text("\n"u8);
            }

            Peer(text, file.Peers[i], quick);
        }

        text.Send();
    }

    private static void Interface(SecretWriter text, WgInterface section, bool quick)
    {
        text.Text("[Interface]\n"u8);
        if (quick)
        {
            QuickKeys(text, section);
        }

        if (section.ListenPort is > 0 and { } port)
        {
            text.Text("ListenPort = "u8).Text(port.ToString()).Text("\n"u8);
        }

        if (section.FirewallMark is > 0 and { } mark)
        {
            text.Text("FwMark = "u8).HexNumber(mark).Text("\n"u8);
        }

        if (section.PrivateKey is { } key)
        {
            text.Text("PrivateKey = "u8).Base64(key).Text("\n"u8);
        }

        text.Text("\n"u8);
    }

    private static void QuickKeys(SecretWriter text, WgInterface section)
    {
        foreach (string comment in section.Comments)
        {
            text.Text("# "u8).Text(comment).Text("\n"u8);
        }

        foreach (InterfaceAddress address in section.Addresses)
        {
            text.Text("Address = "u8).Text(address.ToString()).Text("\n"u8);
        }

        foreach (IPAddress server in section.DnsServers)
        {
            text.Text("DNS = "u8).Text(server.ToString()).Text("\n"u8);
        }

        foreach (string domain in section.DnsSearch)
        {
            text.Text("DNS = "u8).Text(domain).Text("\n"u8);
        }

        if (section.Mtu is { } mtu)
        {
            text.Text("MTU = "u8).Text(mtu.ToString()).Text("\n"u8);
        }

        if (section.Table != RouteTable.Auto)
        {
            text.Text("Table = "u8).Text(section.Table.ToString()).Text("\n"u8);
        }

        if (section.SaveConfig)
        {
            text.Text("SaveConfig = "u8).Text("true").Text("\n"u8);
        }

        Lines(text, "PreUp = "u8, section.PreUp);
        Lines(text, "PostUp = "u8, section.PostUp);
        Lines(text, "PreDown = "u8, section.PreDown);
        Lines(text, "PostDown = "u8, section.PostDown);
    }

    private static void Peer(SecretWriter text, WgPeer peer, bool quick)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        peer.PublicKey.CopyTo(key);
        text.Text("[Peer]\n"u8);
        if (quick)
        {
            Lines(text, "# "u8, peer.Comments);
        }

        text.Text("PublicKey = "u8).Base64(key).Text("\n"u8);
        if (peer.PresharedKey is { } secret && !KeyText.IsZero(secret))
        {
            text.Text("PresharedKey = "u8).Base64(secret).Text("\n"u8);
        }

        AllowedIps(text, peer.AllowedIps);
        if (peer.Endpoint is { } endpoint)
        {
            text.Text("Endpoint = "u8).Text(endpoint.ToString()).Text("\n"u8);
        }

        if (peer.PersistentKeepalive is > 0 and { } seconds)
        {
            text.Text("PersistentKeepalive = "u8).Text(seconds.ToString()).Text("\n"u8);
        }
    }

    private static void AllowedIps(SecretWriter text, List<AllowedIpEntry> entries)
    {
        for (int i = 0; i < entries.Count; i++)
        {
            text.Text(i == 0 ? "AllowedIPs = "u8 : ", "u8);
            if (entries[i].Sign != AllowedIpSign.None)
            {
                text.Text(entries[i].Sign == AllowedIpSign.Plus ? "+"u8 : "-"u8);
            }

            text.Network(entries[i].Network);
        }

        if (entries.Count > 0)
        {
            text.Text("\n"u8);
        }
    }

    private static void Lines(SecretWriter text, ReadOnlySpan<byte> key, List<string> values)
    {
        foreach (string value in values)
        {
            text.Text(key).Text(value).Text("\n"u8);
        }
    }
}
