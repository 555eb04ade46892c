using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Linux.Ethtool;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>A ledger over the n-tuple table of a real device, whose driver has none: a refusal is a refusal, and no rule counts as held.</summary>
[Trait("Needs", "root")]
public sealed class FlowTableBackendTests : IDisposable
{
    private readonly TestNamespace _space = new();

    public FlowTableBackendTests() => _space.Ip("link", "add", "v0", "numrxqueues", "4", "numtxqueues", "4", "type", "veth", "peer", "name", "v1");

    public void Dispose() => _space.Dispose();

    [Theory]
    [InlineData(true, 16)]
    [InlineData(false, 16)]
    public void What_the_driver_refuses_has_failed_with_its_error(bool chooses, int room) => _space.Inside(() =>
    {
        using FlowTableBackend backend = new(FlowTable.Open("v0")!, room, chooses);
        Assert.Equal(-Definitions.EOPNOTSUPP, backend.Try(new UdpFlow(false, 0xC0000201, 9, 51820)));
        var ledger = new RuleLedger(backend);
        ledger.Want(Rule(1, 2));
        ledger.Want(Rule(2, 3));
        ledger.Pump();
        Assert.All(ledger.List(), line => Assert.Equal((RuleState.Failed, -Definitions.EOPNOTSUPP), (line.State, line.Error)));
        Assert.Equal(0, ledger.Audit());
        Assert.False(ledger.IsComplete);
        ledger.Forget(1);
        ledger.Forget(2);
        ledger.Pump();
        Assert.Empty(ledger.List());
    });

    [Fact]
    public void A_table_without_room_is_full_before_the_driver_is_asked() => _space.Inside(() =>
    {
        using FlowTableBackend backend = new(FlowTable.Open("v0")!, 0, chooses: false);
        var ledger = new RuleLedger(backend);
        ledger.Want(Rule(1, 2));
        ledger.Pump();
        LedgerLine line = Assert.Single(ledger.List());
        Assert.Equal((RuleState.Evicted, -Definitions.ENOSPC, 0), (line.State, line.Error, ledger.Summarize().Capacity));
    });

    private static SteeringRule Rule(uint match, ushort queue) => new(match, 0, queue, SteeringRule.Any, new UdpFlow(false, 0x0A090000 + match, 4000, 51820));
}
