using TunnelBox.Control;
using TunnelBox.Service.Metrics;

namespace TunnelBox.Service.Tests.Metrics;

/// <summary>A reading as a tunnel with two peers gives it.</summary>
internal static class Readings
{
    internal const string FirstKey = "7ArP7WbQiBePNm6Es3tLsveBh+L7FJxED4OlOAuIeTg=";
    internal const string SecondKey = "TeMyWgtMvc6EDx+6Qoi7hsq4fhW5gmHXKKKLURcJUEE=";

    internal static TunnelReading Two(long sent = 1000) => new(
        new DeviceReport
        {
            Interface = "wg0",
            Process = 1,
            PublicKey = SecondKey,
            Up = true,
            Mtu = 1420,
            ListenPort = 51820,
            FirewallMark = 0,
            Workers = 1,
            InnerPort = "tun",
            OuterPort = "udp",
            InnerOffloads = [],
            OuterOffloads = [],
            OffloadNotes = [],
            Aead = "vector512",
            AeadReason = "because",
            KeysLocked = true,
            WaitingHandshakes = 3,
            HandshakePlaces = 4096,
            UnderLoad = false,
            LongestPassMicroseconds = 1500,
            PeerCount = 2,
        },
        new StatAnswer
        {
            Interface = "wg0",
            Time = DateTimeOffset.FromUnixTimeSeconds(2_000),
            Reasons = [new StatReason { Name = "OutNoStates", Packets = 7, Bytes = 588, Meaning = "m", Remedy = "r" }],
            Workers = [new StatWorker { Name = "tb-worker-0", Inner = "tun", Outer = "udp", Ports = [new StatFlow { Name = "InnerReceived", Packets = 5, Bytes = 420 }] }],
        },
        [
            new PeerReading(Peer(FirstKey, "the \"big\" office\\\nmain", PeerLiveness.Active, sent) with { ReceivedAge = 12.5, LatestHandshake = DateTimeOffset.FromUnixTimeSeconds(1_900) }, [("InStateSeqError", 4)]),
            new PeerReading(Peer(SecondKey, null, PeerLiveness.Never, 0), []),
        ]);

    private static PeerReport Peer(string key, string? name, PeerLiveness state, long sent) => new()
    {
        PublicKey = key,
        Name = name,
        State = state,
        Health = PeerHealth.Well,
        AllowedIps = [],
        PersistentKeepalive = 0,
        ReceivedBytes = 856,
        SentBytes = sent,
        WaitingPackets = 0,
    };
}
