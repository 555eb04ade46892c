using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of XDP on the devices that datagrams pass.</summary>
internal static class XdpChecks
{
    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("xdp-programs", "XDP programs of others, which see datagrams before any socket or firewall", static (context, _) => Programs(context)),
        new("xdp-mode", "which outer port is in force, and in which mode", static (context, _) => Mode(context)),
        new("xdp-inner", "the local network's device that InnerPort names: its link, XDP programs of others, mode, and firewalls that are gone past", static (context, _) => Inner(context)),
    ];

    private static bool UsesXdp(DoctorContext context) => context.Status.Device.OuterPort.Contains("xdp", StringComparison.Ordinal);

    // The tunnel's own program stands on the device that the setting names, and nowhere else.
    private static bool IsOurs(DoctorContext context, Link link) => (UsesXdp(context) && Asked(context)?.Device == link.Name)
        || context.Status.Device.InnerPort == $"xdp:{link.Name}";

    private static OuterPortSetting? Asked(DoctorContext context) => OuterPortSetting.Parse(context.Settings.OuterPort);

    private static IEnumerable<Link> Outer(DoctorContext context)
    {
        using RouteLookup lookup = new();
        HashSet<int> links = [];
        foreach (PeerReport peer in context.Peers)
        {
            if (peer.Endpoint is not null && IPEndPoint.TryParse(peer.Endpoint, out IPEndPoint? endpoint))
            {
                links.Add(lookup.Out(endpoint.Address, context.Status.Device.FirewallMark).LinkIndex);
            }
        }

        links.Remove(0);
        // Peers that were never heard may come by any device.
        bool any = context.Status.Peers.Any(peer => peer.Endpoint is null);
        return [.. context.Links.Where(link => any ? link.IsUp && link.Name != "lo" && link.Name != context.Interface : links.Contains(link.Index))];
    }

    private static List<Finding> Programs(DoctorContext context)
    {
        List<Finding> findings = [];
        List<string> names = [];
        foreach (Link link in Outer(context))
        {
            names.Add(link.Name);
            XdpAttachment attached = XdpAttachment.Of(link.Index);
            if (attached.Mode != XdpMode.None && !IsOurs(context, link))
            {
                findings.Add(Finding.Fail(
                    $"An XDP program that is not the tunnel's own, number {attached.Program}, is attached to {link.Name} ({attached.Mode.ToString().ToLowerInvariant()} mode) and may drop or divert datagrams.",
                    $"See what it is (bpftool prog show id {attached.Program}) and take it off if nobody needs it: ip link set {link.Name} {(attached.Mode == XdpMode.Generic ? "xdpgeneric" : "xdp")} off.",
                    Causes.Xdp));
            }
        }

        return findings.Count > 0 ? findings
            : names.Count == 0 ? [Finding.Skip("No device is known that leads to a peer.")]
            : [Finding.Pass($"No foreign XDP program is attached to {string.Join(", ", names)}.")];
    }

    private static IEnumerable<Finding> Mode(DoctorContext context)
    {
        bool asked = Asked(context) is { Forced: true };
        if (!UsesXdp(context))
        {
            yield return asked
                ? Finding.Warn($"The setting OuterPort asks for xdp, but {context.Status.Device.OuterPort} is in force.", "The daemon's log says why; set OuterPort to auto or udp where that is meant.")
                : Finding.Pass($"The outer port is {context.Status.Device.OuterPort}, which needs no XDP.");
            yield break;
        }

        foreach (Link link in context.Links.Where(link => context.Status.Device.OuterPort == $"xdp:{link.Name}"))
        {
            XdpAttachment attached = XdpAttachment.Of(link.Index);
            yield return attached.Mode == XdpMode.Generic
                ? Finding.Warn($"XDP on {link.Name} is in generic mode, which is slower than UDP sockets.", "Use a driver with native XDP, or set OuterPort to udp.")
                : Finding.Pass($"XDP on {link.Name}: {attached.Mode.ToString().ToLowerInvariant()} mode.");
        }
    }

    private static List<Finding> Inner(DoctorContext context)
    {
        string inForce = context.Status.Device.InnerPort;
        string? device = inForce.StartsWith("xdp:", StringComparison.Ordinal) ? inForce["xdp:".Length..] : InnerPortSetting.Parse(context.Settings.InnerPort)?.Device;
        if (device is null)
        {
            return [Finding.Pass("The inner port is tun, which needs no XDP.")];
        }

        if (context.Links.FirstOrDefault(link => link.Name == device) is not { } lan)
        {
            return [Finding.Fail($"InnerPort names {device}, and there is no such device.", "Correct InnerPort, or see why the device is missing (ip link).")];
        }

        List<Finding> findings = [];
        using PathQueries queries = new();
        bool running = queries.Link(lan.Index) is { IsRunning: true };
        if (!lan.IsUp || !running)
        {
            findings.Add(Finding.Fail($"The local network's device {device} {(lan.IsUp ? "has no carrier" : "is down")}, so nothing leaves by it.", lan.IsUp ? $"Check the cable and the other end (ip link show {device})." : $"Set it up: ip link set {device} up."));
        }

        XdpAttachment attached = XdpAttachment.Of(lan.Index);
        bool ours = inForce == $"xdp:{device}";
        if (!ours && attached.Mode != XdpMode.None)
        {
            findings.Add(Finding.Fail(
                $"An XDP program that is not the tunnel's own, number {attached.Program}, is attached to {device} ({attached.Mode.ToString().ToLowerInvariant()} mode), so the tunnel's is not.",
                $"See what it is (bpftool prog show id {attached.Program}) and take it off if nobody needs it: ip link set {device} {(attached.Mode == XdpMode.Generic ? "xdpgeneric" : "xdp")} off.",
                Causes.Xdp));
        }

        string? rules = ForwardRules.Find();
        if (rules is not null && ours)
        {
            findings.Add(Finding.Warn($"{char.ToUpperInvariant(rules[0])}{rules[1..]} decides on forwarded packets and does not see those between {device} and the tunnel.", "Set InnerPastFirewall to false, or InnerPort to tun, if it must."));
        }
        else if (rules is not null && !context.Settings.InnerPastFirewall)
        {
            findings.Add(Finding.Warn($"{char.ToUpperInvariant(rules[0])}{rules[1..]} decides on forwarded packets, so they are left to the kernel.", "Remove its rules, or set InnerPastFirewall to true, to go past the kernel."));
        }

        if (ours && attached.Mode == XdpMode.Generic)
        {
            findings.Add(Finding.Warn($"XDP on {device} is in generic mode, which is slower than the TUN device.", "Use a driver with native XDP, or set InnerPort to tun."));
        }

        if (findings.Count == 0)
        {
            findings.Add(ours
                ? Finding.Pass($"XDP on {device}: {attached.Mode.ToString().ToLowerInvariant()} mode.")
                : InnerPortSetting.Parse(context.Settings.InnerPort) is { Forced: true }
                    ? Finding.Warn($"The setting InnerPort asks for xdp on {device}, but {inForce} is in force.", "\"tunnelctl status\" says why.")
                    : Finding.Pass($"The inner port is {inForce}, which needs no XDP."));
        }

        return findings;
    }
}
