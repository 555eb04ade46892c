using TunnelBox.Linux.Netlink;
using Xunit.Abstractions;

namespace TunnelBox.Linux.Tests.Netlink;

public sealed class NftablesTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Needs", "root")]
    public void Chains_rules_and_sets_are_those_that_nft_made() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Nft("table inet f { set s { type inet_service; flags interval; elements = { 10-20, 21-30, 40 }; }; chain input { type filter hook input priority 7; policy drop; udp dport @s accept; }; chain idle { }; }");
        Nftables rules = Nftables.Read();
        NftChain input = Assert.Single(rules.Chains, chain => chain.Name == "input");
        Assert.Equal(("f", "filter", 1u, 7, true), (input.Table, input.Type, input.Hook ?? 99, input.Priority, input.Drops));
        Assert.Null(Assert.Single(rules.Chains, chain => chain.Name == "idle").Hook);
        Assert.Equal("lookup", Assert.Single(rules.Rules).Expressions[^2].Name);
        NftSet set = Assert.Single(rules.Sets);
        Assert.Equal(("f", "s", true), (set.Table, set.Name, set.IsInterval));
        for (int port = 0; port < 50; port++)
        {
            Assert.Equal(port is >= 10 and <= 30 or 40, set.Find([(byte)(port >> 8), (byte)port]).Holds);
        }

        Assert.Null(set.Find([1]).Holds);
    });

    [Fact]
    [Trait("Needs", "root")]
    public void A_namespace_without_rules_has_none() => PrivateNetwork.Run(() =>
    {
        Nftables rules = Nftables.Read();
        Assert.Empty(rules.Chains);
        Assert.Empty(rules.Rules);
        Assert.Empty(rules.Sets);
    });

    [Fact]
    public void Half_a_million_damaged_messages_are_read_and_judged_without_a_crash()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        byte[][] samples = [Chain(), Rule(), Set(), Elements()];
        NftPacket packet = new(false, 1, 2) { Source = System.Net.IPAddress.Loopback };
        for (int i = 0; i < 500_000; i++)
        {
            NftChain chain = Nftables.ParseChain(samples[0])!;
            byte[] sample = samples[i & 3].AsSpan(0, random.Next(4) == 0 ? random.Next(samples[i & 3].Length) : samples[i & 3].Length).ToArray();
            for (int flips = random.Next(5); flips > 0 && sample.Length > 0; flips--)
            {
                sample[random.Next(sample.Length)] = (byte)random.Next(256);
            }

            NftChain? damaged = Nftables.ParseChain(sample);
            NftRule? rule = Nftables.ParseRule(i % 4 == 1 ? sample : samples[1]);
            NftSet? set = NftSet.Parse(i % 4 == 2 ? sample : samples[2]);
            List<NftElement>? elements = NftSet.ParseElements(i % 4 == 3 ? sample : samples[3]);
            Nftables rules = new(damaged is null ? [chain] : [chain, damaged], rule is null ? [] : [rule], set is null ? [] : [set with { Elements = elements }]);
            _ = NftVerdict.Of(rules, 1, packet);
        }
    }

    private static NetlinkWriter Message() => new NetlinkWriter(0, 0).Struct(new Nfnetlink.Nfgenmsg { Family = 1 });

    private static byte[] Payload(NetlinkWriter message) => message.Finish(1)[16..].ToArray();

    private static byte[] Chain()
    {
        NetlinkWriter message = Message().Attribute(Nfnetlink.NFTA_CHAIN_TABLE, "f").Attribute(Nfnetlink.NFTA_CHAIN_NAME, "input").Attribute(Nfnetlink.NFTA_CHAIN_POLICY, [0, 0, 0, 0]);
        int hook = message.BeginNest(Nfnetlink.NFTA_CHAIN_HOOK);
        message.Attribute(Nfnetlink.NFTA_HOOK_HOOKNUM, [0, 0, 0, 1]).Attribute(Nfnetlink.NFTA_HOOK_PRIORITY, [0, 0, 0, 7]).EndNest(hook);
        return Payload(message);
    }

    // udp dport vmap @s
    private static byte[] Rule()
    {
        NetlinkWriter message = Message().Attribute(Nfnetlink.NFTA_RULE_TABLE, "f").Attribute(Nfnetlink.NFTA_RULE_CHAIN, "input");
        int all = message.BeginNest(Nfnetlink.NFTA_RULE_EXPRESSIONS);
        int one = message.BeginNest(Nfnetlink.NFTA_LIST_ELEM);
        message.Attribute(Nfnetlink.NFTA_EXPR_NAME, "payload");
        int data = message.BeginNest(Nfnetlink.NFTA_EXPR_DATA);
        message.Attribute(Nfnetlink.NFTA_PAYLOAD_DREG, [0, 0, 0, 1]).Attribute(Nfnetlink.NFTA_PAYLOAD_BASE, [0, 0, 0, 2])
            .Attribute(Nfnetlink.NFTA_PAYLOAD_OFFSET, [0, 0, 0, 2]).Attribute(Nfnetlink.NFTA_PAYLOAD_LEN, [0, 0, 0, 2]).EndNest(data);
        message.EndNest(one);
        one = message.BeginNest(Nfnetlink.NFTA_LIST_ELEM);
        message.Attribute(Nfnetlink.NFTA_EXPR_NAME, "lookup");
        data = message.BeginNest(Nfnetlink.NFTA_EXPR_DATA);
        message.Attribute(Nfnetlink.NFTA_LOOKUP_SET, "s").Attribute(Nfnetlink.NFTA_LOOKUP_SREG, [0, 0, 0, 1]).Attribute(Nfnetlink.NFTA_LOOKUP_DREG, [0, 0, 0, 0]).EndNest(data);
        message.EndNest(one);
        message.EndNest(all);
        return Payload(message);
    }

    private static byte[] Set() => Payload(Message().Attribute(Nfnetlink.NFTA_SET_TABLE, "f").Attribute(Nfnetlink.NFTA_SET_NAME, "s").Attribute(Nfnetlink.NFTA_SET_FLAGS, [0, 0, 0, 8]));

    private static byte[] Elements()
    {
        NetlinkWriter message = Message();
        int all = message.BeginNest(Nfnetlink.NFTA_SET_ELEM_LIST_ELEMENTS);
        int one = message.BeginNest(Nfnetlink.NFTA_LIST_ELEM);
        int key = message.BeginNest(Nfnetlink.NFTA_SET_ELEM_KEY);
        message.Attribute(Nfnetlink.NFTA_DATA_VALUE, [0, 2]).EndNest(key);
        int data = message.BeginNest(Nfnetlink.NFTA_SET_ELEM_DATA);
        int verdict = message.BeginNest(Nfnetlink.NFTA_DATA_VERDICT);
        message.Attribute(Nfnetlink.NFTA_VERDICT_CODE, [0, 0, 0, 0]).EndNest(verdict);
        message.EndNest(data);
        message.EndNest(one);
        message.EndNest(all);
        return Payload(message);
    }
}
