namespace TunnelBox.Control.Tests;

public sealed class SteerTextTests
{
    [Fact]
    public void Backends_and_rules_are_told_a_line_each()
    {
        var answer = new SteerAnswer
        {
            Interface = "wg0",
            Setting = "auto",
            Choice = "map: for a reason",
            Peers = [new SteerPeer { Peer = "key", PeerName = "office", Queue = 2, Hits = 9, Misses = 4 }, new SteerPeer { Peer = "other" }],
            Backends = [new SteerBackend { Name = "map", Complete = true, Verified = 2, Credits = 4096, Capacity = 3 }],
            Rules =
            [
                new SteerRule { Match = "0000beef", State = "verified", Hits = 9, PeerName = "office", Peer = "key" },
                new SteerRule { Match = "00000001", State = "failed", Queue = 3, Worker = 1, Error = "ENOSPC", Reason = "full" },
                new SteerRule { Match = "00000002", State = "failed", Queue = 3, Reason = "ineffective", Misses = 16, Seen = 1 },
            ],
        };
        Assert.Equal(
            [
                "wg0: steering auto; map: for a reason",
                "  map: holds every rule; 2 verified, 0 acknowledged, 0 sent, 0 wanted, 0 failed, 0 evicted, 0 leaving",
                "    capacity 3, 0 of 4096 credits used, 0 times ineffective, 0 strangers removed",
                "  peer office queue 2 hits 9 misses 4",
                "  peer other queue any hits 0 misses 0",
                "  0000beef verified queue any worker any hits 9 peer office",
                "  00000001 failed queue 3 worker 1 hits 0 peer none full error ENOSPC",
                "  00000002 failed queue 3 worker any hits 0 misses 16 by queue 1 peer none ineffective",
            ],
            SteerText.Write(answer).TrimEnd().Split('\n'));
    }

    [Fact]
    public void Where_nothing_is_steered_the_reason_is_told() => Assert.Equal(
        "wg0: steering off; the setting switches it off\n",
        SteerText.Write(new SteerAnswer { Interface = "wg0", Setting = "off", Note = "the setting switches it off", Backends = [], Rules = [] }));
}
