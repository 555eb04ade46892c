using TunnelBox.EndToEnd.Tests.LongWaiting;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Joins the scenarios that began with the run; this collection comes last.</summary>
[Trait("Load", "light")]
public class LongWaitTests(ITestOutputHelper output)
{
    [Fact]
    public Task A_rekey_under_traffic_is_not_noticed()
    {
        return LongWaits.JoinAsync(nameof(RekeyUnderTraffic), output);
    }

    [Fact]
    public Task A_handshake_is_given_up_after_90_s()
    {
        return LongWaits.JoinAsync(nameof(HandshakeGiveUp), output);
    }

    [Fact]
    public Task Unanswered_data_is_acknowledged_once()
    {
        return LongWaits.JoinAsync(nameof(PassiveKeepalive), output);
    }

    [Fact]
    public Task A_name_is_resolved_again_after_135_s_of_silence()
    {
        return LongWaits.JoinAsync(nameof(NameAfterSilence), output);
    }

    [Fact]
    public Task A_peer_that_lost_its_sessions_is_met_again()
    {
        return LongWaits.JoinAsync(nameof(PeerThatForgot), output);
    }

    [Fact]
    public Task A_minute_on_a_bad_network_loses_nothing_without_a_reason()
    {
        return LongWaits.JoinAsync(nameof(Soak), output);
    }
}
