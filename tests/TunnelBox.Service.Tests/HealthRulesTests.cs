using TunnelBox.Control;
using TunnelBox.Protocol;

namespace TunnelBox.Service.Tests;

public sealed class HealthRulesTests
{
    [Theory]
    [InlineData(null, null, false, null, 0, PeerHealth.Quiet)]
    [InlineData(1.0, null, false, null, 0, PeerHealth.Well)]
    [InlineData(135.0, null, false, null, 0, PeerHealth.Well)]
    [InlineData(135.1, null, false, null, 0, PeerHealth.Quiet)]
    [InlineData(20.0, 30.0, false, 11.0, 0, PeerHealth.Well)]
    [InlineData(20.0, 30.0, false, 11.1, 0, PeerHealth.Stalled)]
    [InlineData(null, 6.0, true, null, 0, PeerHealth.Stalled)]
    [InlineData(2.0, 6.0, true, null, 0, PeerHealth.Stalled)]
    [InlineData(2.0, null, false, null, 1, PeerHealth.Well)]
    [InlineData(2.0, null, false, null, 2, PeerHealth.Unheard)]
    [InlineData(20.1, null, false, null, 9, PeerHealth.Well)]
    public void Only_what_was_authenticated_says_how_a_peer_is(double? heard, double? asked, bool unanswered, double? data, int unused, PeerHealth health)
    {
        PeerContact contact = new(Nanoseconds(heard), Nanoseconds(asked), unanswered) { DataUnansweredFor = Nanoseconds(data), UnusedResponses = unused };
        HealthReading reading = HealthRules.Of(contact, default);
        Assert.Equal(health, reading.Health);
        Assert.Equal(health is not (PeerHealth.Quiet or PeerHealth.Well), reading.Detail is not null);
    }

    [Theory]
    [InlineData(99, 0, PeerHealth.Well)]
    [InlineData(100, 0, PeerHealth.Replays)]
    [InlineData(100, 1900, PeerHealth.Replays)]
    [InlineData(100, 1901, PeerHealth.Well)]
    public void A_storm_of_replays_is_many_and_a_large_share(long replayed, long received, PeerHealth health) =>
        Assert.Equal(health, HealthRules.Of(new PeerContact(Limits.Second, null, false), new RecentPackets(replayed, received)).Health);

    private static long? Nanoseconds(double? seconds) => seconds is { } value ? (long)Math.Round(value * 1e9) : null;
}
