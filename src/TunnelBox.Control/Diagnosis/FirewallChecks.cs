using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of the firewall: what it does with the tunnel's own datagrams, and with the TCP that passes.</summary>
internal static class FirewallChecks
{
    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("firewall", "whether datagrams get to the UDP port and away from it", static (context, _) => Firewall(context)),
        new("mss", "whether TCP that is forwarded learns of the tunnel's MTU", static (context, _) => Mss(context)),
    ];

    private static List<Finding> Firewall(DoctorContext context)
    {
        DeviceReport device = context.Status.Device;
        if (device.ListenPort == 0)
        {
            return [Finding.Skip("No UDP port is bound.")];
        }

        Nftables rules = Nftables.Read();
        ushort port = (ushort)device.ListenPort;
        List<Finding> findings = [];
        HashSet<string> seen = new(StringComparer.Ordinal);
        bool begins = context.Status.Peers.All(peer => peer is { Endpoint: not null, EndpointLearned: false });
        using RouteLookup lookup = new();
        foreach (IPEndPoint? endpoint in context.Peers.Select(peer => peer.Endpoint is not null && IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? at) ? at : null)
            .DefaultIfEmpty(null).Take(DoctorContext.MostPeers))
        {
            bool ipv6 = endpoint?.AddressFamily == AddressFamily.InterNetworkV6;
            RouteAnswer? answer = endpoint is null ? null : lookup.Out(endpoint.Address, device.FirewallMark);
            foreach (Link link in context.Links.Where(link => answer is { LinkIndex: > 0 } ? link.Index == answer.LinkIndex : link.IsUp && link.Name != "lo" && link.Name != device.Interface))
            {
                NftPacket comes = new(ipv6, (ushort)(endpoint?.Port ?? 0), port, InLink: link) { Source = endpoint?.Address };
                NftPacket goes = new(ipv6, port, (ushort)(endpoint?.Port ?? 0), OutLink: link, Mark: device.FirewallMark) { Destination = endpoint?.Address };
                NftVerdict verdict = NftVerdict.Of(rules, 1, comes);
                if (verdict.Outcome == NftOutcome.Drops && NftVerdict.Of(rules, 1, comes with { Established = true }).Outcome == NftOutcome.Accepts)
                {
                    // A stateful firewall in front of an end that always begins: nothing is wrong while it knows all endpoints.
                    verdict = begins ? new NftVerdict(NftOutcome.Accepts, string.Empty) : verdict;
                }

                Judge(findings, seen, verdict, $"datagrams for UDP port {port} that come in by {link.Name}", $"Accept UDP port {port} in the input rules.");
                if (endpoint is not null)
                {
                    Judge(findings, seen, NftVerdict.Of(rules, 3, goes), $"datagrams to {endpoint}", $"Accept UDP from port {port} in the output rules.");
                }
            }
        }

        long refused = DoctorContext.Recent(context.Counts, "OutFirewall");
        if (refused > 0 && !findings.Exists(finding => finding.Status == CheckStatus.Fail))
        {
            findings.Add(Finding.Fail($"A firewall of this machine forbade {refused} datagrams.", $"Accept UDP from port {port} in the output rules.", Causes.Firewall));
        }

        string legacy = string.IsNullOrEmpty(context.ReadText("/proc/net/ip_tables_names")) ? string.Empty : " The rules of iptables-legacy are not read.";
        return findings.Count > 0 ? findings : [Finding.Pass($"No rule of nftables drops the tunnel's datagrams.{legacy}")];
    }

    private static void Judge(List<Finding> findings, HashSet<string> seen, NftVerdict verdict, string what, string remedy)
    {
        if (verdict.Outcome != NftOutcome.Accepts && seen.Add(verdict.Where + what))
        {
            findings.Add(verdict.Outcome == NftOutcome.Drops
                ? Finding.Fail($"The firewall drops {what}: {verdict.Where} (\"nft -a list ruleset\" shows it).", remedy, Causes.Firewall)
                : Finding.Warn($"The firewall may drop {what}: {verdict.Where} asks for more than can be told from here.", remedy, Causes.Firewall));
        }
    }

    private static IEnumerable<Finding> Mss(DoctorContext context)
    {
        bool forwards = context.ReadText("/proc/sys/net/ipv4/ip_forward") == "1" || context.ReadText("/proc/sys/net/ipv6/conf/all/forwarding") == "1";
        Link? wider = context.Links.FirstOrDefault(link => link.IsUp && link.Name != "lo" && link.Name != context.Interface && link.Mtu > context.Status.Device.Mtu);
        if (!forwards || wider is null)
        {
            yield return Finding.Pass("TCP of this machine takes its segment size from the tunnel's MTU; that of others does not pass it.");
            yield break;
        }

        // "tcp option maxseg size set" writes an option: the expression exthdr with a source register. xtables has the target TCPMSS.
        bool clamps = Nftables.Read().Rules.Any(rule => rule.Expressions.Any(e =>
            (e.Name == "exthdr" && e.Attributes.ContainsKey(7)) || (e.Name == "target" && e.Attributes.TryGetValue(1, out byte[]? name) && name.AsSpan().StartsWith("TCPMSS"u8))));
        yield return clamps
            ? Finding.Pass("A rule clamps the segment size of forwarded TCP.")
            : Finding.Warn($"TCP is forwarded between {wider.Name} (MTU {wider.Mtu}) and {context.Interface} (MTU {context.Status.Device.Mtu}), and no rule clamps its segment size: it stalls where ICMP is filtered.",
                "Add to the forward chain: tcp flags syn tcp option maxseg size set rt mtu.", Causes.Mtu);
    }
}
