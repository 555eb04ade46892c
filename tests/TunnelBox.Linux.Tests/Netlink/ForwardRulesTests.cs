using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

public sealed class ForwardRulesTests
{
    private const byte Inet = 1, Ip = 2, Ip6 = 10, Bridge = 7;

    [Theory]
    [InlineData(Inet, 2u, false, true, true)]
    [InlineData(Ip, 2u, true, false, true)]
    [InlineData(Ip6, 2u, true, true, true)]
    [InlineData(Ip, 2u, false, false, false)]
    [InlineData(Ip, 1u, true, true, false)]
    [InlineData(Bridge, 2u, true, true, false)]
    public void What_decides_on_forwarded_packets_is_found(byte family, uint hook, bool drops, bool hasRule, bool found)
    {
        NftRule[] rules = hasRule ? [new NftRule(family, "guard", "gate", 1, [])] : [new NftRule(family, "other", "gate", 1, [])];
        string? chain = ForwardRules.Find(new Nftables([new NftChain(family, "guard", "gate", "filter", hook, 0, drops)], rules, []));
        Assert.Equal(found ? "chain gate of table guard" : null, chain);
    }
}
