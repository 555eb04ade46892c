using TunnelBox.Crypto;

namespace TunnelBox.DataPath.Tests;

public sealed class WarmUpTests
{
    [Fact]
    public void Every_synthetic_packet_goes_through_every_stage()
    {
        // Three rounds of four TCP segments, four UDP segments and one packet.
        Assert.Equal(27, WarmUp.Run(static () => new SodiumAead()));
    }
}
