using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of the kernel's routes, and of what it does with packets that come in.</summary>
internal static class RouteChecks
{
    private const int MostPrefixes = 256;

    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        // Before routes: where both find something, packets already come in and are not believed.
        new("rp-filter", "whether the kernel believes where packets come from", static (context, _) => ReversePath(context)),
        new("routes", "routes and rules: peers' prefixes into the tunnel, endpoints past it", static (context, _) => Routes(context)),
        new("forwarding", "whether packets of others pass this machine", static (context, _) => Forwarding(context)),
    ];

    /// <summary>Gives an address to try a prefix with: its own where it is one address, else the first host's.</summary>
    internal static IPAddress Sample(IPNetwork prefix)
    {
        byte[] bytes = prefix.BaseAddress.GetAddressBytes();
        if (prefix.PrefixLength == 0)
        {
            // Of the documentation's networks (RFC 5737, RFC 3849): nobody has a route of his own to them.
            return IPAddress.Parse(bytes.Length == 4 ? "198.51.100.1" : "2001:db8::1");
        }

        if (prefix.PrefixLength < 8 * bytes.Length - 1)
        {
            bytes[^1] |= 1;
        }

        return new IPAddress(bytes);
    }

    internal static IEnumerable<IPNetwork> Prefixes(PeerReport peer) =>
        peer.AllowedIps.Select(text => IPNetwork.TryParse(text, out IPNetwork prefix) ? prefix : (IPNetwork?)null).OfType<IPNetwork>();

    private static List<Finding> Routes(DoctorContext context)
    {
        if (context.Own is not { IsUp: true } own)
        {
            return [Finding.Skip("The interface is not up here.")];
        }

        using RouteLookup lookup = new();
        using NetworkSettings network = NetworkSettings.Open();
        List<Route> routes = [.. network.Routes(ipv6: false), .. network.Routes(ipv6: true)];
        List<Finding> findings = [];
        int checkedOnes = 0;
        foreach (PeerReport peer in context.Peers)
        {
            string label = DoctorContext.Label(peer);
            foreach (IPNetwork prefix in Prefixes(peer).Take(MostPrefixes - checkedOnes))
            {
                checkedOnes++;
                RouteAnswer answer = lookup.Out(Sample(prefix));
                bool partly = routes.Exists(route => route.LinkIndex == own.Index && (route.Destination.Equals(prefix)
                    || (route.Destination.PrefixLength > prefix.PrefixLength && prefix.Contains(route.Destination.BaseAddress))));
                if (answer.LinkIndex != own.Index && !partly)
                {
                    string where = answer.Kind switch
                    {
                        RouteKind.Local => "they are this machine's own",
                        RouteKind.None or RouteKind.Refused => "the kernel has none",
                        _ => $"it leads out of {context.Links.FirstOrDefault(link => link.Index == answer.LinkIndex)?.Name}",
                    };
                    findings.Add(Finding.Fail($"No route leads to {prefix} through {own.Name}: {where}.",
                        $"Add one (ip route add {prefix} dev {own.Name}), or let \"tunnelctl up\" do it.", Causes.Route) with
                    { Peer = label });
                }
            }

            findings.AddRange(Outer(context, lookup, own, peer));
        }

        long refused = DoctorContext.Recent(context.Counts, "OutNoRoute");
        if (refused > 0 && !findings.Exists(finding => finding.Cause == Causes.Route))
        {
            findings.Add(Finding.Fail($"The kernel refused {refused} datagrams for want of a route.", "Check the routes to the endpoints, and that the network is up.", Causes.Route));
        }

        return findings.Count > 0 ? findings : [Finding.Pass($"{checkedOnes} prefixes lead into {own.Name}, and the endpoints past it.")];
    }

    private static IEnumerable<Finding> Outer(DoctorContext context, RouteLookup lookup, Link own, PeerReport peer)
    {
        if (peer.Endpoint is null || !IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? endpoint))
        {
            yield break;
        }

        RouteAnswer answer = lookup.Out(endpoint.Address, context.Status.Device.FirewallMark);
        string label = DoctorContext.Label(peer);
        if (answer.Kind is RouteKind.None or RouteKind.Refused)
        {
            yield return Finding.Fail($"There is no route to its endpoint {endpoint.Address}.", "Add one past the tunnel, or correct Endpoint.", Causes.Route) with { Peer = label };
        }
        else if (answer.LinkIndex == own.Index)
        {
            yield return Finding.Fail($"The route to its endpoint {endpoint.Address} leads into the tunnel itself.",
                "Route it past the tunnel, or take it out of the allowed IPs; a default route needs a firewall mark.", Causes.Route) with
            { Peer = label };
        }
    }

    private static List<Finding> ReversePath(DoctorContext context)
    {
        if (context.Own is not { IsUp: true } own)
        {
            return [Finding.Skip("The interface is not up here.")];
        }

        using RouteLookup lookup = new();
        List<Finding> findings = [];
        foreach (PeerReport peer in context.Peers)
        {
            foreach (IPNetwork prefix in Prefixes(peer).Where(prefix => prefix.BaseAddress.AddressFamily == AddressFamily.InterNetwork).Take(MostPrefixes))
            {
                findings.AddRange(Believes(context, lookup, own, Sample(prefix), peer, $"inner packets of {prefix}"));
            }

            if (peer.Endpoint is not null && IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? endpoint) && endpoint.AddressFamily == AddressFamily.InterNetwork)
            {
                // Datagrams come in by any interface; the one that the answers leave by is always believed, so look at the others.
                RouteAnswer back = lookup.Out(endpoint.Address, context.Status.Device.FirewallMark);
                if (context.Status.Device.FirewallMark != 0 && back.LinkIndex != 0 && back.LinkIndex != own.Index
                    && context.Links.FirstOrDefault(link => link.Index == back.LinkIndex) is { } outer && context.ReadText("/proc/sys/net/ipv4/conf/all/src_valid_mark") != "1")
                {
                    findings.AddRange(Believes(context, lookup, outer, endpoint.Address, peer, $"datagrams from {endpoint.Address}"));
                }
            }
        }

        return findings.Count > 0 ? findings : [Finding.Pass("The kernel believes the sources of what comes through the tunnel.")];
    }

    private static IEnumerable<Finding> Believes(DoctorContext context, RouteLookup lookup, Link link, IPAddress source, PeerReport peer, string what)
    {
        if (context.Addresses.FirstOrDefault(one => one.LinkIndex == link.Index && one.Address.AddressFamily == AddressFamily.InterNetwork) is not { } ours
            || lookup.Out(source).Kind == RouteKind.Local || lookup.In(ours.Address, source, link.Index).Kind is not (RouteKind.Refused or RouteKind.None))
        {
            yield break;
        }

        yield return Finding.Fail($"The kernel drops {what} that come in by {link.Name}: its route back leads elsewhere, and rp_filter is strict.",
            $"Route them back through {link.Name}, or loosen the filter: sysctl net.ipv4.conf.{link.Name}.rp_filter=2 (the larger of it and that of \"all\" counts).",
            Causes.ReversePath) with
        { Peer = DoctorContext.Label(peer) };
    }

    private static IEnumerable<Finding> Forwarding(DoctorContext context)
    {
        bool on = context.ReadText("/proc/sys/net/ipv4/ip_forward") == "1";
        Nftables rules = Nftables.Read();
        bool translates = rules.Chains.Any(chain => chain is { Type: "nat", Hook: 4 }
            && rules.Rules.Any(rule => rule.Family == chain.Family && rule.Table == chain.Table && rule.Chain == chain.Name && rule.Expressions.Any(e => e.Name is "masq" or "nat")));
        if (!on)
        {
            yield return translates
                ? Finding.Fail("The firewall translates addresses for others, but forwarding is off, so their packets end here.", "Switch it on: sysctl net.ipv4.ip_forward=1.", Causes.Route)
                : Finding.Pass("Forwarding is off: this machine speaks for itself only.");
            yield break;
        }

        if (context.Own is { } own && context.Links.FirstOrDefault(link => link.Index != own.Index && link.IsUp && link.Name != "lo") is { } other)
        {
            NftVerdict verdict = NftVerdict.Of(rules, 2, new NftPacket(false, 0, 0, own, other));
            if (verdict.Outcome == NftOutcome.Drops)
            {
                yield return Finding.Warn($"Forwarding is on, but {verdict.Where} drops what comes from {own.Name} for {other.Name}.", "Accept it in the forward chain, if this machine is a gateway.", Causes.Firewall);
                yield break;
            }
        }

        yield return Finding.Pass("Forwarding is on, and no rule that can be judged stops it.");
    }
}
