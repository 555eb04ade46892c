using System.Collections;
using System.Globalization;
using TunnelBox.Crypto;

namespace TunnelBox.Configuration;

/// <summary>One value that is in force, as people may see it.</summary>
/// <param name="Key">Where it belongs: <c>Interface PrivateKey</c>, <c>Peer NAME AllowedIPs</c>.</param>
/// <param name="Text">The value, "(hidden)" for a secret.</param>
/// <param name="Origin">The variable or file that gave it.</param>
public readonly record struct ConfigurationValue(string Key, string Text, string Origin)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Key} = {Text} (from {Origin})";
}

/// <summary>
/// The tunnel that a container or service is told to run, from all its sources: environment variables, files that variables with <c>_FILE</c> name, and a
/// wg file. Later ones win, key by key; peers are the same where their public keys are.
/// </summary>
public sealed class TunnelConfiguration : IDisposable
{
    /// <summary>Peers whose values are listed; the others are counted.</summary>
    private const int ListedPeers = 20;
    private const string Hidden = "(hidden)";

    private TunnelConfiguration(WgFile file, IReadOnlyList<ConfigurationValue> values, IReadOnlyList<string> paths)
    {
        File = file;
        Values = values;
        Paths = paths;
    }

    /// <summary>Gets the tunnel.</summary>
    public WgFile File { get; }

    /// <summary>Gets what is in force and where it comes from; secrets hidden.</summary>
    public IReadOnlyList<ConfigurationValue> Values { get; }

    /// <summary>Gets the files that were read.</summary>
    public IReadOnlyList<string> Paths { get; }

    /// <summary>Gives this process's environment.</summary>
    /// <returns>Names and values.</returns>
    public static IReadOnlyDictionary<string, string> Environment()
    {
        Dictionary<string, string> all = new(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            all[(string)entry.Key] = (string?)entry.Value ?? string.Empty;
        }

        return all;
    }

    /// <summary>Reads all sources.</summary>
    /// <param name="path">The wg file, or null for none.</param>
    /// <param name="environment">The environment.</param>
    /// <returns>The configuration; the caller disposes it.</returns>
    /// <exception cref="ConfigurationFaultsException">Something is wrong in any of them; all of it is told, and nothing is used.</exception>
    public static TunnelConfiguration Load(string? path, IReadOnlyDictionary<string, string> environment)
    {
        List<ConfigurationFault> faults = [];
        Dictionary<(int Peer, string Key), string> origins = [];
        List<string> paths = [];
        WgFile? variables = null, file = null;
        try
        {
            variables = TunnelVariables.Read(environment, origins, paths);
        }
        catch (ConfigurationFaultsException e)
        {
            faults.AddRange(e.Faults);
        }

        if (path is not null)
        {
            paths.Add(path);
            try
            {
                file = WgConfigurationExtensions.LoadWgFile(path, WgDialect.Quick);
            }
            catch (ConfigurationFaultsException e)
            {
                faults.AddRange(e.Faults);
            }
        }

        if (faults.Count == 0 && variables!.Interface.PrivateKey is null && file?.Interface.PrivateKey is null)
        {
            faults.Add(path is null
                ? new ConfigurationFault(TunnelVariables.InterfacePrefix + "PRIVATEKEY_FILE", 0, string.Empty, "it is missing; name the file that holds the private key.")
                : new ConfigurationFault(path, 0, "PrivateKey", "the interface has none; give one in the file, or name a file that holds it by TUNNELBOX__INTERFACE__PRIVATEKEY_FILE."));
        }

        if (faults.Count > 0)
        {
            variables?.Dispose();
            file?.Dispose();
            throw new ConfigurationFaultsException(faults);
        }

        WgFile merged = variables!;
        List<ConfigurationValue> values = [];
        Merge(merged, file, path ?? string.Empty, origins);
        List(merged, origins, values);
        return new TunnelConfiguration(merged, values, paths);
    }

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();

    // What the file gives takes the place of what the variables gave; its arrays of secrets move over.
    private static void Merge(WgFile into, WgFile? file, string path, Dictionary<(int Peer, string Key), string> origins)
    {
        if (file is null)
        {
            return;
        }

        into.Path = path;
        into.Warnings.AddRange(file.Warnings);
        WgInterface from = file.Interface, to = into.Interface;
        if (from.PrivateKey is { } key)
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(to.PrivateKey);
            to.PrivateKey = key;
            from.PrivateKey = null;
            origins[(-1, "PrivateKey")] = path;
        }

        to.ListenPort = Of(-1, "ListenPort", from.ListenPort, to.ListenPort);
        to.FirewallMark = Of(-1, "FwMark", from.FirewallMark, to.FirewallMark);
        to.Mtu = Of(-1, "MTU", from.Mtu, to.Mtu);
        if (from.HasTable)
        {
            to.Table = from.Table;
            to.HasTable = true;
            origins[(-1, "Table")] = path;
        }

        to.SaveConfig = from.SaveConfig;
        All(-1, "Address", from.Addresses, to.Addresses);
        if (from.DnsServers.Count + from.DnsSearch.Count > 0)
        {
            to.DnsServers.Clear();
            to.DnsSearch.Clear();
            to.DnsServers.AddRange(from.DnsServers);
            to.DnsSearch.AddRange(from.DnsSearch);
            origins[(-1, "DNS")] = path;
        }

        All(-1, "PreUp", from.PreUp, to.PreUp);
        All(-1, "PostUp", from.PostUp, to.PostUp);
        All(-1, "PreDown", from.PreDown, to.PreDown);
        All(-1, "PostDown", from.PostDown, to.PostDown);
        Dictionary<PublicKey, int> places = [];
        for (int i = 0; i < into.Peers.Count; i++)
        {
            places[into.Peers[i].PublicKey] = i;
        }

        foreach (WgPeer peer in file.Peers)
        {
            if (!places.TryGetValue(peer.PublicKey, out int place))
            {
                place = into.Peers.Count;
                into.Peers.Add(new WgPeer { PublicKey = peer.PublicKey, Line = peer.Line });
                // A key that stands twice in the file stays twice: what stands later wins, as without variables.
                origins[(place, "PublicKey")] = path;
            }

            WgPeer target = into.Peers[place];
            if (peer.PresharedKey is { } secret)
            {
                System.Security.Cryptography.CryptographicOperations.ZeroMemory(target.PresharedKey);
                target.PresharedKey = secret;
                peer.PresharedKey = null;
                origins[(place, "PresharedKey")] = path;
            }

            All(place, "AllowedIPs", peer.AllowedIps, target.AllowedIps);
            target.Endpoint = Of(place, "Endpoint", peer.Endpoint, target.Endpoint);
            target.PersistentKeepalive = Of(place, "PersistentKeepalive", peer.PersistentKeepalive, target.PersistentKeepalive);
            target.Name = peer.Name ?? target.Name;
        }

        T? Of<T>(int place, string name, T? given, T? before)
            where T : struct
        {
            if (given is not null)
            {
                origins[(place, name)] = path;
            }

            return given ?? before;
        }

        void All<T>(int place, string name, List<T> given, List<T> before)
        {
            if (given.Count > 0)
            {
                before.Clear();
                before.AddRange(given);
                origins[(place, name)] = path;
            }
        }
    }

    private static void List(WgFile file, Dictionary<(int Peer, string Key), string> origins, List<ConfigurationValue> values)
    {
        WgInterface section = file.Interface;
        Put(-1, "PrivateKey", Hidden);
        Put(-1, "ListenPort", section.ListenPort?.ToString(CultureInfo.InvariantCulture));
        Put(-1, "FwMark", section.FirewallMark?.ToString(CultureInfo.InvariantCulture));
        Put(-1, "Address", string.Join(", ", section.Addresses));
        Put(-1, "DNS", string.Join(", ", [.. section.DnsServers.Select(server => server.ToString()), .. section.DnsSearch]));
        Put(-1, "MTU", section.Mtu?.ToString(CultureInfo.InvariantCulture));
        Put(-1, "Table", section.Table.ToString());
        // A hook may hold a password; what it is stands in its source.
        Put(-1, "PreUp", Hidden);
        Put(-1, "PostUp", Hidden);
        Put(-1, "PreDown", Hidden);
        Put(-1, "PostDown", Hidden);
        for (int i = 0; i < Math.Min(file.Peers.Count, ListedPeers); i++)
        {
            WgPeer peer = file.Peers[i];
            Put(i, "PublicKey", peer.PublicKey.ToString());
            Put(i, "PresharedKey", Hidden);
            Put(i, "AllowedIPs", string.Join(", ", peer.AllowedIps.Select(entry => entry.Network)));
            Put(i, "Endpoint", peer.Endpoint?.ToString());
            Put(i, "PersistentKeepalive", peer.PersistentKeepalive?.ToString(CultureInfo.InvariantCulture));
        }

        if (file.Peers.Count > ListedPeers)
        {
            values.Add(new ConfigurationValue("Peers", $"{file.Peers.Count}, of which the first {ListedPeers} stand above", file.Path.Length > 0 ? file.Path : "variables"));
        }

        void Put(int place, string key, string? text)
        {
            if (origins.TryGetValue((place, key), out string? origin) && !string.IsNullOrEmpty(text))
            {
                values.Add(new ConfigurationValue(place < 0 ? $"Interface {key}" : $"Peer {place} {key}", text, origin));
            }
        }
    }
}
