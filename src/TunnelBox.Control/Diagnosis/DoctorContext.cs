using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Control.Quick;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>What checks look at. Read before they start, and then by all of them at once.</summary>
public sealed record DoctorContext
{
    /// <summary>Most peers that are looked at one by one; a doctor has 5 s.</summary>
    public const int MostPeers = 32;

    /// <summary>Gets the interface's name.</summary>
    public string Interface => Status.Device.Interface;

    /// <summary>Gets the daemon's state.</summary>
    public required InterfaceReport Status { get; init; }

    /// <summary>Gets the counts of the whole tunnel.</summary>
    public required StatAnswer Counts { get; init; }

    /// <summary>Gets the counts of peers, by public key.</summary>
    public required IReadOnlyDictionary<string, StatAnswer> PeerCounts { get; init; }

    /// <summary>Gets the interfaces.</summary>
    public required IReadOnlyList<Link> Links { get; init; }

    /// <summary>Gets the addresses of all interfaces.</summary>
    public required IReadOnlyList<LinkAddress> Addresses { get; init; }

    /// <summary>Gets the steering rules, or null where nobody asked.</summary>
    public SteerAnswer? Steering { get; init; }

    /// <summary>Gets the interface's own settings.</summary>
    public TunnelBoxSettings Settings { get; init; } = new();

    /// <summary>Gets the path of the interface's file, or null where it has none.</summary>
    public string? ConfigurationPath { get; init; }

    /// <summary>Gets the file's DNS servers.</summary>
    public IReadOnlyList<IPAddress> FileDns { get; init; } = [];

    /// <summary>Gets the allowed IPs as the file has them, with the peer of each.</summary>
    public IReadOnlyList<(IPNetwork Network, string Peer)> FilePrefixes { get; init; } = [];

    /// <summary>Gets what is put before /proc and /sys; empty but in tests.</summary>
    public string Root { get; init; } = string.Empty;

    /// <summary>Gets the clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Gets the interface, or null where this network namespace has none of that name.</summary>
    public Link? Own => Links.FirstOrDefault(link => link.Name == Interface);

    /// <summary>Gets the peers to look at: those in trouble first.</summary>
    public IEnumerable<PeerReport> Peers => Status.Peers.OrderBy(peer => peer.Health is PeerHealth.Well ? 2 : peer.Health is PeerHealth.Quiet ? 1 : 0).Take(MostPeers);

    /// <summary>Reads it.</summary>
    /// <param name="client">The daemon.</param>
    /// <param name="settings">The interface's own settings.</param>
    /// <returns>The context.</returns>
    /// <exception cref="ControlException">No TunnelBox daemon answers.</exception>
    /// <exception cref="NetlinkException">The kernel refused to list interfaces.</exception>
    public static DoctorContext Read(ControlClient client, TunnelBoxSettings settings)
    {
        ArgumentNullException.ThrowIfNull(client);
        InterfaceReport status = StatusReader.Read(client);
        StatAnswer Ask(string? peer) => client.Ask(new StatRequest { Verb = StatRequest.VerbName, Peer = peer }, StatJson.Default.StatRequest, StatJson.Default.StatAnswer);
        using NetworkSettings network = NetworkSettings.Open();
        DoctorContext context = new()
        {
            Status = status,
            Counts = Ask(null),
            PeerCounts = new Dictionary<string, StatAnswer>(StringComparer.Ordinal),
            Links = network.Links(),
            Addresses = network.Addresses(),
            Settings = settings,
            Steering = client.Ask(new SteerRequest { Verb = SteerRequest.VerbName }, SteerJson.Default.SteerRequest, SteerJson.Default.SteerAnswer),
        };
        context = context with { PeerCounts = context.Peers.ToDictionary(peer => peer.PublicKey, peer => Ask(peer.PublicKey), StringComparer.Ordinal) };
        return ReadFile(context);
    }

    /// <summary>Tells what people call a peer.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>Its name or key.</returns>
    public static string Label(PeerReport peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        return peer.Name ?? peer.PublicKey;
    }

    /// <summary>Counts a drop reason, if it happened lately.</summary>
    /// <param name="counts">The counts.</param>
    /// <param name="reason">Its name.</param>
    /// <param name="within">How many seconds ago at most.</param>
    /// <returns>How often it happened since the daemon started, or 0 where the last time is longer ago.</returns>
    public static long Recent(StatAnswer? counts, string reason, double within = 60) =>
        counts?.Reasons.FirstOrDefault(one => one.Name == reason && one.Age <= within)?.Packets ?? 0;

    /// <summary>Reads a small file of /proc or /sys.</summary>
    /// <param name="path">Its path.</param>
    /// <returns>The text without its end of line, or null where it is not there.</returns>
    public string? ReadText(string path)
    {
        try
        {
            return File.ReadAllText(Root + path).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static DoctorContext ReadFile(DoctorContext context)
    {
        string? path = QuickFile.Directories.Select(directory => Path.Combine(directory, context.Interface + ".conf")).FirstOrDefault(File.Exists);
        if (path is null)
        {
            return context;
        }

        try
        {
            using WgFile file = new QuickFile(path, context.Interface).Load(static _ => { });
            return context with
            {
                ConfigurationPath = path,
                FileDns = [.. file.Interface.DnsServers],
                FilePrefixes = [.. file.Peers.SelectMany(peer => peer.AllowedIps.Select(entry => (entry.Network, peer.Name ?? peer.PublicKey.ToString())))],
            };
        }
        catch (Exception e) when (e is ConfigurationFaultsException or ControlException or IOException or UnauthorizedAccessException)
        {
            // A file that cannot be read says nothing; what runs is looked at all the same.
            return context with { ConfigurationPath = path };
        }
    }
}
