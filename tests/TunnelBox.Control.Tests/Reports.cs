namespace TunnelBox.Control.Tests;

/// <summary>What a daemon tells, for tests that need none.</summary>
internal static class Reports
{
    /// <summary>A tunnel that is up and has no peers.</summary>
    public static DeviceReport Device() => new()
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
    };
}
