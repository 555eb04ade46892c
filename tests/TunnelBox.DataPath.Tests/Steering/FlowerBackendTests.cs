using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Ethtool;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>A ledger over flower rules on a real device's ingress, which carries out none: what the kernel says is what the ledger knows.</summary>
[Trait("Needs", "root")]
public sealed class FlowerBackendTests : IDisposable
{
    private readonly TestNamespace _space = new();

    public FlowerBackendTests() => _space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");

    public void Dispose() => _space.Dispose();

    [Fact]
    public void A_rule_that_the_device_does_not_take_has_failed_and_leaves_nothing()
    {
        _space.Inside(() =>
        {
            using FlowerBackend backend = new(FlowerRules.Open(XdpOuter.IndexOf("v0")));
            var ledger = new RuleLedger(backend);
            for (uint match = 1; match <= 200; match++)
            {
                ledger.Want(new SteeringRule(match, 0, 1, SteeringRule.Any, new UdpFlow(match % 2 == 0, match, 4000, 51820)));
            }

            ledger.Pump();
            Assert.All(ledger.List(), line => Assert.Equal(RuleState.Failed, line.State));
            Assert.All(ledger.List(), line => Assert.Contains(line.Error, (int[])[-Definitions.ENOENT, -Definitions.EOPNOTSUPP, -Definitions.EINVAL]));
            List<HeldRule> held = [];
            Assert.Equal(0, backend.Dump(held));
            Assert.Empty(held);
            ledger.Forget(1);
            ledger.Pump();
            Assert.Equal(199, ledger.List().Count);
        });
    }
}
