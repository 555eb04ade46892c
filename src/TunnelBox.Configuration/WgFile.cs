using System.Net;
using System.Security.Cryptography;
using TunnelBox.Crypto;

namespace TunnelBox.Configuration;

/// <summary>A wg(8) or wg-quick(8) file: one interface and its peers. Holds secrets; dispose it to wipe them.</summary>
public sealed class WgFile : IDisposable
{
    /// <summary>Gets or sets the path as it was given, or empty.</summary>
    public string Path { get; set; } = string.Empty;

    /// <summary>Gets the [Interface] section.</summary>
    public WgInterface Interface { get; } = new();

    /// <summary>Gets the [Peer] sections, in order.</summary>
    public List<WgPeer> Peers { get; } = [];

    /// <summary>Gets what is allowed but probably not meant, such as a private key that everybody may read.</summary>
    public List<ConfigurationFault> Warnings { get; } = [];

    /// <summary>Wipes every secret.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(Interface.PrivateKey);
        Interface.PrivateKey = null;
        foreach (WgPeer peer in Peers)
        {
            CryptographicOperations.ZeroMemory(peer.PresharedKey);
            peer.PresharedKey = null;
        }
    }
}

/// <summary>The [Interface] section. Null means that the key was not given.</summary>
public sealed class WgInterface
{
    /// <summary>Gets or sets the private key, 32 bytes; wiped by <see cref="WgFile.Dispose"/>.</summary>
    public byte[]? PrivateKey { get; set; }

    /// <summary>Gets or sets the UDP port; 0 lets the kernel choose.</summary>
    public ushort? ListenPort { get; set; }

    /// <summary>Gets or sets the firewall mark; 0 for none.</summary>
    public uint? FirewallMark { get; set; }

    /// <summary>Gets the interface's addresses (wg-quick).</summary>
    public List<InterfaceAddress> Addresses { get; } = [];

    /// <summary>Gets the DNS servers (wg-quick).</summary>
    public List<IPAddress> DnsServers { get; } = [];

    /// <summary>Gets the DNS search domains (wg-quick).</summary>
    public List<string> DnsSearch { get; } = [];

    /// <summary>Gets or sets the MTU in bytes (wg-quick); null to derive it.</summary>
    public int? Mtu { get; set; }

    /// <summary>Gets or sets where routes go (wg-quick).</summary>
    public RouteTable Table { get; set; } = RouteTable.Auto;

    /// <summary>Gets or sets a value indicating whether <see cref="Table"/> was given.</summary>
    public bool HasTable { get; set; }

    /// <summary>Gets the commands to run before the interface is made (wg-quick).</summary>
    public List<string> PreUp { get; } = [];

    /// <summary>Gets the commands to run once the interface is up (wg-quick).</summary>
    public List<string> PostUp { get; } = [];

    /// <summary>Gets the commands to run before the interface goes (wg-quick).</summary>
    public List<string> PreDown { get; } = [];

    /// <summary>Gets the commands to run once the interface is gone (wg-quick).</summary>
    public List<string> PostDown { get; } = [];

    /// <summary>Gets or sets a value indicating whether the running state is written back on the way down (wg-quick).</summary>
    public bool SaveConfig { get; set; }

    /// <summary>Gets the whole-line comments of the section, without '#'.</summary>
    public List<string> Comments { get; } = [];
}

/// <summary>A [Peer] section. Null means that the key was not given.</summary>
public sealed class WgPeer
{
    /// <summary>Gets or sets the peer's key.</summary>
    public PublicKey PublicKey { get; set; }

    /// <summary>Gets or sets the preshared key, 32 bytes; wiped by <see cref="WgFile.Dispose"/>.</summary>
    public byte[]? PresharedKey { get; set; }

    /// <summary>Gets the allowed IPs, in order.</summary>
    public List<AllowedIpEntry> AllowedIps { get; } = [];

    /// <summary>Gets or sets the endpoint.</summary>
    public HostPort? Endpoint { get; set; }

    /// <summary>Gets or sets seconds between keepalives; 0 for off.</summary>
    public ushort? PersistentKeepalive { get; set; }

    /// <summary>
    /// Gets or sets what people call the peer: <c># friendly_name=NAME</c>, <c># name=NAME</c>, or a plain comment as the
    /// first thing under [Peer].
    /// </summary>
    public string? Name { get; set; }

    /// <summary>Gets the whole-line comments of the section, without '#'.</summary>
    public List<string> Comments { get; } = [];

    /// <summary>Gets or sets the line of the section's head, 1-based; 0 where it was not read from a file.</summary>
    public int Line { get; set; }
}

/// <summary>An address of the interface with the length of its network.</summary>
/// <param name="Address">The address, host bits and all.</param>
/// <param name="PrefixLength">Bits of the network; all bits where the file gives none.</param>
public readonly record struct InterfaceAddress(IPAddress Address, int PrefixLength)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Address}/{PrefixLength}";
}

/// <summary>Whether an allowed IP adds to what is there, takes from it, or belongs to a list that replaces it.</summary>
public enum AllowedIpSign
{
    /// <summary>Without sign: the list replaces what is there.</summary>
    None,

    /// <summary>'+': is added.</summary>
    Plus,

    /// <summary>'-': is taken away.</summary>
    Minus,
}

/// <summary>One allowed IP of a list.</summary>
/// <param name="Network">The prefix, host bits cleared.</param>
/// <param name="Sign">What it does.</param>
public readonly record struct AllowedIpEntry(IPNetwork Network, AllowedIpSign Sign);

/// <summary>An endpoint as written: a name or address, and a port.</summary>
/// <param name="Host">A host name, or an IPv4 or IPv6 address without brackets; an IPv6 address may have a zone.</param>
/// <param name="Port">UDP port.</param>
public readonly record struct HostPort(string Host, ushort Port)
{
    /// <inheritdoc/>
    public override string ToString() => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}

/// <summary>Where the routes of allowed IPs go.</summary>
/// <param name="Kind">Off, auto or one table.</param>
/// <param name="Id">The table's number where <paramref name="Kind"/> is <see cref="RouteTableKind.Fixed"/>.</param>
public readonly record struct RouteTable(RouteTableKind Kind, uint Id)
{
    /// <summary>The main table, and one of its own for default routes.</summary>
    public static readonly RouteTable Auto = new(RouteTableKind.Auto, 0);

    /// <summary>No routes.</summary>
    public static readonly RouteTable Off = new(RouteTableKind.Off, 0);

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        RouteTableKind.Off => "off",
        RouteTableKind.Auto => "auto",
        _ => Id.ToString(),
    };
}

/// <summary>The kinds of <see cref="RouteTable"/>.</summary>
public enum RouteTableKind
{
    /// <summary>As wg-quick does: the main table, default routes in a table of their own.</summary>
    Auto,

    /// <summary>No routes.</summary>
    Off,

    /// <summary>All routes in one given table.</summary>
    Fixed,
}
