using TunnelBox.Control;
using TunnelBox.Protocol;

namespace TunnelBox.Service.Tests;

public sealed class PeerStatesTests
{
    [Theory]
    [InlineData(null, null, false, false, PeerLiveness.Never)]
    [InlineData(null, 20.0, true, true, PeerLiveness.Never)]
    [InlineData(0.0, null, false, false, PeerLiveness.Active)]
    [InlineData(135.0, 140.0, false, true, PeerLiveness.Active)]
    [InlineData(30.0, 6.0, true, false, PeerLiveness.Silent)]
    [InlineData(135.1, null, false, false, PeerLiveness.Idle)]
    [InlineData(135.1, null, false, true, PeerLiveness.Silent)]
    [InlineData(9000.0, 6.0, true, false, PeerLiveness.Silent)]
    public void What_was_heard_and_what_is_owed_say_how_a_peer_is(double? heard, double? asked, bool unanswered, bool keptAlive, PeerLiveness state) =>
        Assert.Equal(state, PeerStates.Of(new PeerContact((long?)(heard * 1e9), (long?)(asked * 1e9), unanswered), keptAlive));
}
