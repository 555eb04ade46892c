using System.Net;
using System.Security.Cryptography;
using System.Text;
using TunnelBox.Crypto;

namespace TunnelBox.Configuration;

/// <summary>Writes the wg format, in the layout of "wg showconf"; wg-quick's keys come first in [Interface].</summary>
public sealed class WgFileWriter : IDisposable
{
    private const int LineRoom = 256;

    private readonly Stream _stream;
    private readonly byte[] _buffer = GC.AllocateArray<byte>(64 * 1024, pinned: true);
    private int _used;

    private WgFileWriter(Stream stream) => _stream = stream;

    /// <summary>Writes a file; the buffer that held its secrets is wiped.</summary>
    /// <param name="file">What to write.</param>
    /// <param name="stream">Where to.</param>
    /// <param name="quick">Whether wg-quick's keys and the comments are written too; <c>strip</c> and <c>showconf</c> leave them out.</param>
    public static void Write(WgFile file, Stream stream, bool quick)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(stream);
        using WgFileWriter writer = new(stream);
        writer.Interface(file.Interface, quick);
        for (int i = 0; i < file.Peers.Count; i++)
        {
            if (i > 0)
            {
                writer.Text("\n"u8);
            }

            writer.Peer(file.Peers[i], quick);
        }

        writer.Send();
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_buffer);

    private void Interface(WgInterface section, bool quick)
    {
        Text("[Interface]\n"u8);
        if (quick)
        {
            QuickKeys(section);
        }

        if (section.ListenPort is > 0 and { } port)
        {
            Line("ListenPort = "u8, port.ToString());
        }

        if (section.FirewallMark is > 0 and { } mark)
        {
            Line("FwMark = "u8, $"0x{mark:x}");
        }

        if (section.PrivateKey is { } key)
        {
            Key("PrivateKey = "u8, key);
        }

        Text("\n"u8);
    }

    private void QuickKeys(WgInterface section)
    {
        foreach (string comment in section.Comments)
        {
            Line("# "u8, comment);
        }

        foreach (InterfaceAddress address in section.Addresses)
        {
            Line("Address = "u8, address.ToString());
        }

        foreach (IPAddress server in section.DnsServers)
        {
            Line("DNS = "u8, server.ToString());
        }

        foreach (string domain in section.DnsSearch)
        {
            Line("DNS = "u8, domain);
        }

        if (section.Mtu is { } mtu)
        {
            Line("MTU = "u8, mtu.ToString());
        }

        if (section.Table != RouteTable.Auto)
        {
            Line("Table = "u8, section.Table.ToString());
        }

        if (section.SaveConfig)
        {
            Line("SaveConfig = "u8, "true");
        }

        Lines("PreUp = "u8, section.PreUp);
        Lines("PostUp = "u8, section.PostUp);
        Lines("PreDown = "u8, section.PreDown);
        Lines("PostDown = "u8, section.PostDown);
    }

    private void Peer(WgPeer peer, bool quick)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        peer.PublicKey.CopyTo(key);
        Text("[Peer]\n"u8);
        if (quick)
        {
            Lines("# "u8, peer.Comments);
        }

        Key("PublicKey = "u8, key);
        if (peer.PresharedKey is { } secret && !KeyText.IsZero(secret))
        {
            Key("PresharedKey = "u8, secret);
        }

        AllowedIps(peer.AllowedIps);
        if (peer.Endpoint is { } endpoint)
        {
            Line("Endpoint = "u8, endpoint.ToString());
        }

        if (peer.PersistentKeepalive is > 0 and { } seconds)
        {
            Line("PersistentKeepalive = "u8, seconds.ToString());
        }
    }

    private void AllowedIps(List<AllowedIpEntry> entries)
    {
        for (int i = 0; i < entries.Count; i++)
        {
            Text(i == 0 ? "AllowedIPs = "u8 : ", "u8);
            if (entries[i].Sign != AllowedIpSign.None)
            {
                Text(entries[i].Sign == AllowedIpSign.Plus ? "+"u8 : "-"u8);
            }

            _used += IpText.Format(entries[i].Network, Room());
        }

        if (entries.Count > 0)
        {
            Text("\n"u8);
        }
    }

    private void Lines(ReadOnlySpan<byte> key, List<string> values)
    {
        foreach (string value in values)
        {
            Line(key, value);
        }
    }

    private void Line(ReadOnlySpan<byte> key, string value)
    {
        Text(key);
        Text(Encoding.UTF8.GetBytes(value));
        Text("\n"u8);
    }

    private void Key(ReadOnlySpan<byte> name, ReadOnlySpan<byte> key)
    {
        Text(name);
        KeyText.ToBase64(key, Room());
        _used += KeyText.Base64Size;
        Text("\n"u8);
    }

    private Span<byte> Room()
    {
        if (_used + LineRoom > _buffer.Length)
        {
            Send();
        }

        return _buffer.AsSpan(_used);
    }

    private void Text(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            Span<byte> room = Room();
            int part = Math.Min(room.Length, text.Length);
            text[..part].CopyTo(room);
            _used += part;
            text = text[part..];
        }
    }

    private void Send()
    {
        _stream.Write(_buffer, 0, _used);
        CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, _used));
        _used = 0;
    }
}
