using TunnelBox.Linux.Processes;

namespace TunnelBox.Linux.Tests.Processes;

public sealed class CapabilitiesTests
{
    [Fact]
    public void The_effective_set_is_read()
    {
        Capabilities capabilities = Capabilities.Parse("Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t0000000000001000\nCapBnd:\t000001ffffffffff\n")!.Value;
        Assert.True(capabilities.Has(Capability.NetAdmin));
        Assert.False(capabilities.Has(Capability.NetRaw));
        Assert.False(capabilities.Has(Capability.Bpf));
    }

    [Theory]
    [InlineData("")]
    [InlineData("CapEff:")]
    [InlineData("CapEff:\tzz")]
    [InlineData("CapEff:\t10000000000000000")]
    public void What_is_not_there_is_not_guessed(string status) => Assert.Null(Capabilities.Parse(status));

    [Fact]
    public void This_process_has_some_answer() => Assert.NotNull(Capabilities.OfThisProcess());
}
