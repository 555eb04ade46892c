using TunnelBox.Control.Diagnosis;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Tests.Diagnosis;

/// <summary>Contexts for checks that need no daemon.</summary>
internal static class DiagnosisContexts
{
    /// <summary>A tunnel without peers, up, on a machine with one device.</summary>
    public static DoctorContext Healthy() => new()
    {
        Status = new InterfaceReport(
            Reports.Device(),
            []),
        Counts = new StatAnswer { Interface = "wg0", Reasons = [], Workers = [] },
        PeerCounts = new Dictionary<string, StatAnswer>(StringComparer.Ordinal),
        Links = [new Link(2, "eth0", 1500, true, string.Empty), new Link(3, "wg0", 1420, true, "tun")],
        Addresses = [],
    };
}
