using System.Net;
using System.Net.Sockets;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>How <c>show</c> writes.</summary>
/// <param name="Color">Whether with colours (WG_COLOR_MODE).</param>
/// <param name="ShowKeys">Whether the pretty form shows secrets (WG_HIDE_KEYS=never).</param>
/// <param name="Now">Unix time in seconds, from which ages count.</param>
public readonly record struct ShowStyle(bool Color, bool ShowKeys, long Now);

/// <summary>Writes devices in the forms of <c>wg show</c>, byte for byte (wg(8)).</summary>
/// <param name="text">Where to.</param>
/// <param name="style">How.</param>
public sealed class ShowText(SecretWriter text, ShowStyle style)
{
    private readonly ZoneNames _zones = new();

    /// <summary>Gets the fields of the form <c>show INTERFACE FIELD</c>.</summary>
    public static IReadOnlyList<string> Fields { get; } =
    [
        "public-key", "private-key", "listen-port", "fwmark", "peers", "preshared-keys", "endpoints", "allowed-ips", "latest-handshakes",
        "transfer", "persistent-keepalive", "dump",
    ];

    private ReadOnlySpan<byte> Reset => style.Color ? "\u001b[0m"u8 : default;

    private ReadOnlySpan<byte> Bold => style.Color ? "\u001b[1m"u8 : default;

    private ReadOnlySpan<byte> Red => style.Color ? "\u001b[31m"u8 : default;

    private ReadOnlySpan<byte> Green => style.Color ? "\u001b[32m"u8 : default;

    private ReadOnlySpan<byte> Yellow => style.Color ? "\u001b[33m"u8 : default;

    private ReadOnlySpan<byte> Cyan => style.Color ? "\u001b[36m"u8 : default;

    /// <summary>Writes one field, or the dump.</summary>
    /// <param name="device">The device.</param>
    /// <param name="field">One of <see cref="Fields"/>.</param>
    /// <param name="withInterface">Whether each line begins with the interface's name.</param>
    /// <returns>False where there is no such field.</returns>
    public bool Field(DeviceState device, string field, bool withInterface)
    {
        ArgumentNullException.ThrowIfNull(device);
        ReadOnlySpan<byte> name = withInterface ? System.Text.Encoding.UTF8.GetBytes(device.Name + "\t") : default;
        switch (field)
        {
            case "public-key":
                text.Text(name);
                OurKey(device).Text("\n"u8);
                return true;
            case "private-key":
                text.Text(name);
                MaybeKey(device.PrivateKey).Text("\n"u8);
                return true;
            case "listen-port":
                text.Text(name).Number(device.ListenPort).Text("\n"u8);
                return true;
            case "fwmark":
                text.Text(name);
                Mark(device.FirewallMark).Text("\n"u8);
                return true;
            case "dump":
                Dump(device, name);
                return true;
        }

        if (!Fields.Contains(field))
        {
            return false;
        }

        foreach (PeerStatus peer in device.Peers)
        {
            text.Text(name);
            TheirKey(peer);
            PeerField(peer, field);
            text.Text("\n"u8);
        }

        return true;
    }

    /// <summary>Writes the form for people.</summary>
    /// <param name="device">The device; its peers are put in the order of their last handshakes.</param>
    public void Pretty(DeviceState device)
    {
        ArgumentNullException.ThrowIfNull(device);
        text.Text(Reset);
        text.Text(Green).Text(Bold).Text("interface"u8).Text(Reset).Text(": "u8).Text(Green).Text(device.Name).Text(Reset).Text("\n"u8);
        if (device.PrivateKey is { } key)
        {
            Label("public key"u8);
            OurKey(device).Text("\n"u8);
            Label("private key"u8);
            MaskedKey(key).Text("\n"u8);
        }

        if (device.ListenPort != 0)
        {
            Label("listening port"u8).Number(device.ListenPort).Text("\n"u8);
        }

        if (device.FirewallMark != 0)
        {
            Label("fwmark"u8).HexNumber(device.FirewallMark).Text("\n"u8);
        }

        foreach (PeerStatus peer in device.Peers
            .OrderByDescending(peer => peer.HandshakeSeconds)
            .ThenByDescending(peer => peer.HandshakeNanoseconds))
        {
            text.Text("\n"u8);
            PrettyPeer(peer);
        }
    }

    private void PrettyPeer(PeerStatus peer)
    {
        text.Text(Yellow).Text(Bold).Text("peer"u8).Text(Reset).Text(": "u8).Text(Yellow);
        TheirKey(peer).Text(Reset).Text("\n"u8);
        if (peer.PresharedKey is { } key)
        {
            Label("preshared key"u8);
            MaskedKey(key).Text("\n"u8);
        }

        if (peer.Endpoint is { } endpoint)
        {
            Label("endpoint"u8);
            Endpoint(endpoint).Text("\n"u8);
        }

        Label("allowed ips"u8);
        for (int i = 0; i < peer.AllowedIps.Count; i++)
        {
            text.Text(i > 0 ? ", "u8 : default).Address(peer.AllowedIps[i].BaseAddress)
                .Text(Cyan).Text("/"u8).Text(Reset).Number((ulong)peer.AllowedIps[i].PrefixLength);
        }

        text.Text(peer.AllowedIps.Count == 0 ? "(none)\n"u8 : "\n"u8);
        if (peer.HandshakeSeconds != 0)
        {
            Label("latest handshake"u8);
            Ago(peer.HandshakeSeconds);
            text.Text("\n"u8);
        }

        if (peer.ReceivedBytes != 0 || peer.SentBytes != 0)
        {
            Label("transfer"u8);
            Bytes(peer.ReceivedBytes).Text(" received, "u8);
            Bytes(peer.SentBytes).Text(" sent\n"u8);
        }

        if (peer.PersistentKeepalive != 0)
        {
            Label("persistent keepalive"u8).Text("every "u8);
            Duration(peer.PersistentKeepalive);
            text.Text("\n"u8);
        }
    }

    private void Dump(DeviceState device, ReadOnlySpan<byte> name)
    {
        text.Text(name);
        MaybeKey(device.PrivateKey).Text("\t"u8);
        OurKey(device).Text("\t"u8).Number(device.ListenPort).Text("\t"u8);
        Mark(device.FirewallMark).Text("\n"u8);
        foreach (PeerStatus peer in device.Peers)
        {
            text.Text(name);
            TheirKey(peer).Text("\t"u8);
            MaybeKey(peer.PresharedKey).Text("\t"u8);
            MaybeEndpoint(peer).Text("\t"u8);
            AllowedIps(peer, ","u8).Text("\t"u8);
            text.Number((ulong)peer.HandshakeSeconds).Text("\t"u8).Number(peer.ReceivedBytes).Text("\t"u8).Number(peer.SentBytes).Text("\t"u8);
            Keepalive(peer).Text("\n"u8);
        }
    }

    private void PeerField(PeerStatus peer, string field)
    {
        if (field == "peers")
        {
            return;
        }

        text.Text("\t"u8);
        switch (field)
        {
            case "preshared-keys":
                MaybeKey(peer.PresharedKey);
                break;
            case "endpoints":
                MaybeEndpoint(peer);
                break;
            case "allowed-ips":
                AllowedIps(peer, " "u8);
                break;
            case "latest-handshakes":
                text.Number((ulong)peer.HandshakeSeconds);
                break;
            case "transfer":
                text.Number(peer.ReceivedBytes).Text("\t"u8).Number(peer.SentBytes);
                break;
            default:
                Keepalive(peer);
                break;
        }
    }

    private SecretWriter Label(ReadOnlySpan<byte> label) => text.Text("  "u8).Text(Bold).Text(label).Text(Reset).Text(": "u8);

    private SecretWriter TheirKey(PeerStatus peer)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        peer.PublicKey.CopyTo(key);
        return text.Base64(key);
    }

    private SecretWriter OurKey(DeviceState device)
    {
        if (device.PrivateKey is not { } secret)
        {
            return text.Text("(none)"u8);
        }

        Span<byte> key = stackalloc byte[PublicKey.Size];
        Curve25519.GetPublicKey(secret).CopyTo(key);
        return text.Base64(key);
    }

    private SecretWriter MaybeKey(byte[]? key) => key is null ? text.Text("(none)"u8) : text.Base64(key);

    private SecretWriter MaskedKey(byte[] key) => style.ShowKeys ? text.Base64(key) : text.Text("(hidden)"u8);

    private SecretWriter Mark(uint mark) => mark == 0 ? text.Text("off"u8) : text.HexNumber(mark);

    private SecretWriter Keepalive(PeerStatus peer) =>
        peer.PersistentKeepalive == 0 ? text.Text("off"u8) : text.Number(peer.PersistentKeepalive);

    private SecretWriter MaybeEndpoint(PeerStatus peer) => peer.Endpoint is { } endpoint ? Endpoint(endpoint) : text.Text("(none)"u8);

    private SecretWriter Endpoint(IPEndPoint endpoint)
    {
        // getnameinfo(3) gives the zone of a link-local address by name.
        string? zone = endpoint.AddressFamily == AddressFamily.InterNetworkV6 && endpoint.Address.IsIPv6LinkLocal
            ? _zones.Of(endpoint.Address.ScopeId)
            : null;
        return zone is null
            ? text.Endpoint(endpoint)
            : text.Text("["u8).Address(endpoint.Address).Text("%"u8).Text(zone).Text("]:"u8).Number((ulong)endpoint.Port);
    }

    private SecretWriter AllowedIps(PeerStatus peer, ReadOnlySpan<byte> between)
    {
        if (peer.AllowedIps.Count == 0)
        {
            return text.Text("(none)"u8);
        }

        for (int i = 0; i < peer.AllowedIps.Count; i++)
        {
            text.Text(i > 0 ? between : default).Network(peer.AllowedIps[i]);
        }

        return text;
    }

    private void Ago(long seconds)
    {
        if (seconds == style.Now)
        {
            text.Text("Now"u8);
        }
        else if (seconds > style.Now)
        {
            text.Text("("u8).Text(Red).Text("System clock wound backward; connection problems may ensue."u8).Text(Reset).Text(")"u8);
        }
        else
        {
            Duration(style.Now - seconds);
            text.Text(" ago"u8);
        }
    }

    private void Duration(long seconds)
    {
        bool first = true;
        Unit(seconds / 31_536_000, "year"u8);
        Unit(seconds % 31_536_000 / 86_400, "day"u8);
        Unit(seconds % 86_400 / 3600, "hour"u8);
        Unit(seconds % 3600 / 60, "minute"u8);
        Unit(seconds % 60, "second"u8);

        void Unit(long count, ReadOnlySpan<byte> unit)
        {
            if (count == 0)
            {
                return;
            }

            text.Text(first ? default : ", "u8).Number((ulong)count).Text(" "u8).Text(Cyan).Text(unit).Text(count == 1 ? default : "s"u8).Text(Reset);
            first = false;
        }
    }

    private SecretWriter Bytes(ulong count)
    {
        if (count < 1024)
        {
            return text.Number(count).Text(" "u8).Text(Cyan).Text("B"u8).Text(Reset);
        }

        int power = count < 1UL << 20 ? 10 : count < 1UL << 30 ? 20 : count < 1UL << 40 ? 30 : 40;
        // printf("%.2f") rounds halves to even, and a count in 1024ths has true halves.
        UInt128 hundredths = (UInt128)count * 100;
        UInt128 whole = hundredths >> power;
        UInt128 rest = hundredths - (whole << power);
        UInt128 half = UInt128.One << (power - 1);
        if (rest > half || (rest == half && (whole & 1) == 1))
        {
            whole++;
        }

        ulong value = (ulong)(whole / 100);
        ulong fraction = (ulong)(whole % 100);
        ReadOnlySpan<byte> unit = power switch { 10 => "KiB"u8, 20 => "MiB"u8, 30 => "GiB"u8, _ => "TiB"u8 };
        return text.Number(value).Text(fraction < 10 ? ".0"u8 : "."u8).Number(fraction).Text(" "u8).Text(Cyan).Text(unit).Text(Reset);
    }
}
