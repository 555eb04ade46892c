using TunnelBox.Linux.Ethtool;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

/// <summary>Rules that a device carries out: what a kernel or a device without them answers, and that nothing is left behind.</summary>
public sealed class FlowerRulesTests
{
    private static readonly UdpFlow s_flow = new(false, 0x0A090002, 4000, 51820);

    [Fact]
    [Trait("Needs", "root")]
    public void A_device_that_carries_out_no_rules_refuses_and_keeps_nothing() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("link add v0 type veth peer name v1");
        using NetworkSettings settings = NetworkSettings.Open();
        using (FlowerRules rules = FlowerRules.Open(settings.FindLink("v0")!.Index))
        {
            // ENOENT where the kernel has no cls_flower, EOPNOTSUPP where it has and the device offloads nothing.
            Assert.Contains(rules.Set(1, s_flow, 3), (int[])[-NetlinkException.NoEntry, -NetlinkException.NotSupported, -NetlinkException.Invalid]);
            Assert.Empty(rules.Dump());
            Assert.Equal(-NetlinkException.NoEntry, rules.Remove(1));
        }

        Assert.DoesNotContain("clsact", PrivateNetwork.Run("tc", "qdisc show dev v0"), StringComparison.Ordinal);
    });

    [Fact]
    public void A_rule_reads_back_as_it_was_written()
    {
        var header = new TrafficControl.Tcmsg { Handle = 7, Info = TrafficControl.Info(0xB0C4, TrafficControl.ETH_P_IP) };
        NetlinkWriter request = new NetlinkWriter(TrafficControl.RTM_NEWTFILTER, 0).Struct(header);
        FlowerRules.Describe(request, s_flow, 513);
        byte[] bytes = request.Finish(1).ToArray();
        Assert.Equal(new FlowerRule(7, 513, false), FlowerRules.Read(bytes.AsSpan(NetlinkWriter.HeaderSize)));

        // Cut short anywhere, or of somebody else's priority, it is none or another; it is never read past its end.
        for (int length = 0; length < bytes.Length; length++)
        {
            _ = FlowerRules.Read(bytes.AsSpan(NetlinkWriter.HeaderSize, Math.Max(0, length - NetlinkWriter.HeaderSize)));
        }

        bytes[NetlinkWriter.HeaderSize + 19] ^= 1;
        Assert.Null(FlowerRules.Read(bytes.AsSpan(NetlinkWriter.HeaderSize)));
    }
}
