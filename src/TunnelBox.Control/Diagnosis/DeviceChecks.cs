using System.Net;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of the tunnel's interface and of what belongs to its peers.</summary>
internal static class DeviceChecks
{
    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("device", "the interface: there, up, with a key, a port and an address", static (context, _) => Device(context)),
        new("offloads", "what makes it fast, and why something does not", static (context, _) => Offloads(context)),
        new("allowed-ips", "prefixes that stand at two peers or at none", static (context, _) => AllowedIps(context)),
    ];

    private static List<Finding> Device(DoctorContext context)
    {
        DeviceReport device = context.Status.Device;
        List<Finding> faults = [];
        if (context.Own is null)
        {
            faults.Add(Finding.Fail($"There is no interface {device.Interface} in this network namespace.", "Run it in the namespace of the interface: ip netns exec NAME tunnelctl doctor."));
        }
        else if (!device.Up)
        {
            faults.Add(Finding.Fail($"The interface {device.Interface} is down.", $"Bring it up: ip link set {device.Interface} up."));
        }
        else if (device.Workers == 0)
        {
            faults.Add(Finding.Fail($"{device.Interface} is up, but UDP port {device.ListenPort} could not be had.", "Stop what holds the port, or set another ListenPort."));
        }

        if (device.PublicKey is null)
        {
            faults.Add(Finding.Fail("No private key is set, so no handshake can be made.", "Set PrivateKey.", Causes.WrongKey));
        }

        if (context.Own is { } own && !context.Addresses.Any(address => address.LinkIndex == own.Index && !address.Address.IsIPv6LinkLocal))
        {
            faults.Add(Finding.Warn($"{device.Interface} has no address, so this machine has none inside the tunnel.", $"Add one: ip address add ADDRESS/LENGTH dev {device.Interface}."));
        }

        return faults.Count > 0 ? faults : [Finding.Pass($"{device.Interface} is up with {device.Workers} of its workers running, MTU {device.Mtu}, UDP port {device.ListenPort}.")];
    }

    private static IEnumerable<Finding> Offloads(DoctorContext context)
    {
        DeviceReport device = context.Status.Device;
        return device.OffloadNotes.Count > 0
            ? device.OffloadNotes.Select(note => Finding.Warn(note, "See the settings TunOffload and UdpOffload, and the release of the kernel."))
            : [Finding.Pass($"Inside: {Words(device.InnerOffloads)}. Outside: {Words(device.OuterOffloads)}.")];
    }

    private static List<Finding> AllowedIps(DoctorContext context)
    {
        List<Finding> findings = [.. Twice(context)];
        foreach (PeerReport peer in context.Status.Peers.Where(peer => peer.AllowedIps.Count == 0))
        {
            findings.Add(Finding.Fail("It has no allowed IPs, so nothing can be sent to it or accepted from it; a prefix that is given to a second peer leaves the first.",
                "Give each prefix to one peer only.", Causes.AllowedIps) with
            { Peer = DoctorContext.Label(peer) });
        }

        List<(IPNetwork Prefix, PeerReport Peer)> all = [];
        foreach (PeerReport peer in context.Peers)
        {
            foreach (string text in peer.AllowedIps)
            {
                if (IPNetwork.TryParse(text, out IPNetwork prefix))
                {
                    all.Add((prefix, peer));
                }
            }
        }

        foreach ((IPNetwork narrow, PeerReport peer) in all)
        {
            foreach ((IPNetwork wide, PeerReport other) in all.Where(one => one.Peer != peer && one.Prefix.PrefixLength > 0
                && one.Prefix.PrefixLength < narrow.PrefixLength && one.Prefix.Contains(narrow.BaseAddress)))
            {
                findings.Add(Finding.Warn($"{narrow} lies within {wide} of {DoctorContext.Label(other)} and takes that part from it.",
                    "Nothing, if it is meant so; else correct AllowedIPs of one of them.", Causes.AllowedIps) with
                { Peer = DoctorContext.Label(peer) });
            }
        }

        foreach (PeerReport peer in context.Peers)
        {
            long refused = DoctorContext.Recent(context.PeerCounts.GetValueOrDefault(peer.PublicKey), "InTmplMismatch");
            if (refused > 0)
            {
                findings.Add(Finding.Fail($"{refused} of its packets came from addresses that are not its own: they are missing in its allowed IPs, or a narrower prefix gives them to another peer.",
                    "Add the addresses to AllowedIPs of this peer, and take them from the other.", Causes.AllowedIps) with
                { Peer = DoctorContext.Label(peer) });
            }
        }

        return findings.Count > 0 ? findings : [Finding.Pass("Each prefix belongs to one peer.")];
    }

    private static IEnumerable<Finding> Twice(DoctorContext context) => context.FilePrefixes
        .GroupBy(entry => entry.Network)
        .Where(group => group.Select(entry => entry.Peer).Distinct(StringComparer.Ordinal).Count() > 1)
        .Select(group => Finding.Fail($"{context.ConfigurationPath} gives {group.Key} to {string.Join(" and ", group.Select(entry => entry.Peer).Distinct(StringComparer.Ordinal))}; only the last has it.",
            "Give it to one peer only.", Causes.AllowedIps));

    private static string Words(IReadOnlyList<string> words) => words.Count == 0 ? "none" : string.Join(' ', words);
}
