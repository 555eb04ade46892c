using System.Globalization;
using System.Net;
using Microsoft.Extensions.Configuration;

namespace TunnelBox.Configuration;

/// <summary>Adds wg files to Microsoft.Extensions.Configuration.</summary>
public static class WgConfigurationExtensions
{
    /// <summary>Adds a wg or wg-quick file.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="path">The file's path.</param>
    /// <param name="dialect">Which keys are allowed.</param>
    /// <returns>The builder.</returns>
    public static IConfigurationBuilder AddWgFile(this IConfigurationBuilder builder, string path, WgDialect dialect = WgDialect.Quick)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new WgConfigurationSource(path, dialect));
    }

    /// <summary>Reads a wg file through a configuration of its own and gives the typed form.</summary>
    /// <param name="path">The file's path.</param>
    /// <param name="dialect">Which keys are allowed.</param>
    /// <returns>The file; the caller disposes it.</returns>
    /// <exception cref="ConfigurationFaultsException">The file has faults, or cannot be read.</exception>
    public static WgFile LoadWgFile(string path, WgDialect dialect)
    {
        WgConfigurationProvider provider = new(path, dialect);
        provider.Load();
        return provider.Take();
    }
}

/// <summary>A wg file as a source of configuration.</summary>
/// <param name="path">The file's path.</param>
/// <param name="dialect">Which keys are allowed.</param>
public sealed class WgConfigurationSource(string path, WgDialect dialect) : IConfigurationSource
{
    /// <inheritdoc/>
    public IConfigurationProvider Build(IConfigurationBuilder builder) => new WgConfigurationProvider(path, dialect);
}

/// <summary>
/// Gives a wg file's values as <c>Interface:KEY</c>, <c>Interface:KEY:INDEX</c> for what may repeat, and
/// <c>Peer:INDEX:KEY</c>. Secrets are not among them, since a configuration's strings cannot be wiped: in their place
/// stands "(hidden)", and <see cref="Take"/> hands out the typed file that holds them.
/// </summary>
/// <param name="path">The file's path.</param>
/// <param name="dialect">Which keys are allowed.</param>
public sealed class WgConfigurationProvider(string path, WgDialect dialect) : ConfigurationProvider, IDisposable
{
    private const string Hidden = "(hidden)";
    private WgFile? _file;

    /// <inheritdoc/>
    /// <exception cref="ConfigurationFaultsException">The file has faults, or cannot be read.</exception>
    public override void Load()
    {
        WgFile file = WgFileReader.Read(path, dialect);
        _file?.Dispose();
        _file = file;
        Data = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        Interface(file.Interface);
        for (int i = 0; i < file.Peers.Count; i++)
        {
            Peer($"Peer:{i}:", file.Peers[i]);
        }
    }

    /// <summary>Hands over the typed file with its secrets; once.</summary>
    /// <returns>The file; the caller disposes it.</returns>
    /// <exception cref="InvalidOperationException">Nothing was loaded, or it was taken before.</exception>
    public WgFile Take()
    {
        WgFile file = _file ?? throw new InvalidOperationException("No wg file is loaded.");
        _file = null;
        return file;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private void Interface(WgInterface section)
    {
        Put("Interface:PrivateKey", section.PrivateKey is null ? null : Hidden);
        Put("Interface:ListenPort", section.ListenPort);
        Put("Interface:FwMark", section.FirewallMark);
        Put("Interface:MTU", section.Mtu);
        if (dialect == WgDialect.Quick)
        {
            Put("Interface:Table", section.Table.ToString());
            Put("Interface:SaveConfig", section.SaveConfig ? "true" : "false");
        }

        List("Interface:Address", section.Addresses.ConvertAll(address => address.ToString()));
        List("Interface:DNS", [.. section.DnsServers.ConvertAll(server => server.ToString()), .. section.DnsSearch]);
        List("Interface:PreUp", section.PreUp);
        List("Interface:PostUp", section.PostUp);
        List("Interface:PreDown", section.PreDown);
        List("Interface:PostDown", section.PostDown);
    }

    private void Peer(string at, WgPeer peer)
    {
        Put(at + "PublicKey", peer.PublicKey.ToString());
        Put(at + "PresharedKey", peer.PresharedKey is null ? null : Hidden);
        Put(at + "Endpoint", peer.Endpoint?.ToString());
        Put(at + "PersistentKeepalive", peer.PersistentKeepalive);
        Put(at + "Name", peer.Name);
        List(at + "AllowedIPs", peer.AllowedIps.ConvertAll(entry => Text(entry.Network)));
    }

    private static string Text(IPNetwork network) => network.ToString();

    private void List(string key, List<string> values)
    {
        for (int i = 0; i < values.Count; i++)
        {
            Put($"{key}:{i}", values[i]);
        }
    }

    private void Put(string key, IFormattable? value) => Put(key, value?.ToString(null, CultureInfo.InvariantCulture));

    private void Put(string key, string? value)
    {
        if (value is not null)
        {
            Data[key] = value;
        }
    }
}
