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
            new DeviceReport
            {
                Interface = "wg0",
                Process = 1,
                PublicKey = "bQVfMdzDlZSEdleal8SDnkxKZLJMNSw4oa7GU86IJyI=",
                Up = true,
                Mtu = 1420,
                MtuOrigin = default,
                ListenPort = 51820,
                FirewallMark = 0,
                Workers = 1,
                InnerPort = "tun",
                OuterPort = "udp",
                InnerOffloads = [],
                OuterOffloads = [],
                OffloadNotes = [],
                Aead = "libsodium",
                AeadReason = "libsodium: set by name.",
                KeysLocked = true,
                WaitingHandshakes = 0,
                HandshakePlaces = 4096,
                UnderLoad = false,
                LongestPassMicroseconds = 0,
                PeerCount = 0,
            },
            []),
        Counts = new StatAnswer { Interface = "wg0", Reasons = [], Workers = [] },
        PeerCounts = new Dictionary<string, StatAnswer>(StringComparer.Ordinal),
        Links = [new Link(2, "eth0", 1500, true, string.Empty), new Link(3, "wg0", 1420, true, "tun")],
        Addresses = [],
    };
}
