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
            Backends = [new SteerBackend { Name = "map", Complete = true, Verified = 2, Credits = 4096, Capacity = 3 }],
            Rules =
            [
                new SteerRule { Match = "0000beef", State = "verified", Hits = 9, PeerName = "office", Peer = "key" },
                new SteerRule { Match = "00000001", State = "failed", Queue = 3, Worker = 1, Error = "ENOSPC" },
            ],
        };
        Assert.Equal(
            [
                "wg0: steering auto",
                "  map: holds every rule; 2 verified, 0 acknowledged, 0 sent, 0 wanted, 0 failed, 0 evicted, 0 leaving",
                "    capacity 3, 0 of 4096 credits used, 0 times ineffective, 0 strangers removed",
                "  0000beef verified queue any worker any hits 9 peer office",
                "  00000001 failed queue 3 worker 1 hits 0 peer none error ENOSPC",
            ],
            SteerText.Write(answer).TrimEnd().Split('\n'));
    }

    [Fact]
    public void Where_nothing_is_steered_the_reason_is_told() => Assert.Equal(
        "wg0: steering off; the setting switches it off\n",
        SteerText.Write(new SteerAnswer { Interface = "wg0", Setting = "off", Note = "the setting switches it off", Backends = [], Rules = [] }));
}
