namespace TunnelBox.Protocol.Tests;

public sealed class LimitsTests
{
    [Fact]
    public void Constants_are_those_of_the_paper_section_6_1()
    {
        Assert.Equal(1UL << 60, Limits.RekeyAfterMessages);
        Assert.Equal(UInt128.One << 64, (UInt128)Limits.RejectAfterMessages + (1 << 13) + 1);
        Assert.Equal(120_000_000_000, Limits.RekeyAfterTime);
        Assert.Equal(180_000_000_000, Limits.RejectAfterTime);
        Assert.Equal(165_000_000_000, Limits.RekeyAfterTimeReceiving);
        Assert.Equal(90_000_000_000, Limits.RekeyAttemptTime);
        Assert.Equal(5_000_000_000, Limits.RekeyTimeout);
        Assert.Equal(10_000_000_000, Limits.KeepaliveTimeout);
        Assert.Equal(540_000_000_000, Limits.ZeroKeysAfterTime);
        Assert.Equal(20_000_000, Limits.InitiationInterval);
    }

    [Theory]
    [InlineData(0, 1420, 0)]
    [InlineData(1, 1420, 16)]
    [InlineData(16, 1420, 16)]
    [InlineData(17, 1420, 32)]
    [InlineData(1408, 1420, 1408)]
    [InlineData(1409, 1420, 1420)]
    [InlineData(1420, 1420, 1420)]
    [InlineData(1500, 1420, 1500)]
    [InlineData(1420, 0, 1424)]
    public void Padding_goes_to_16_and_not_above_the_mtu(int length, int mtu, int expected) =>
        Assert.Equal(expected, Limits.GetPaddedLength(length, mtu));
}
