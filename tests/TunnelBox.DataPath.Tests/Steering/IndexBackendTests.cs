using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>A ledger over traffic control on a real device, by way of a thread of its own.</summary>
[Trait("Needs", "root")]
public sealed class IndexBackendTests : IDisposable
{
    private const int Rules = 2000;

    private readonly TestNamespace _space = new();

    public IndexBackendTests() => _space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");

    public void Dispose() => _space.Dispose();

    [Fact]
    public void What_a_ledger_wants_stands_in_the_kernel_and_what_somebody_breaks_is_mended() => _space.Inside(() =>
    {
        IndexRules kernel = IndexRules.Open(XdpOuter.IndexOf("v0"), XdpLab.Port, inHardware: false);
        using (BackgroundBackend backend = new(new IndexBackend(kernel)))
        {
            var ledger = new RuleLedger(backend);
            for (uint match = 1; match <= Rules; match++)
            {
                ledger.Want(Rule(match));
            }

            Settle(ledger);
            Assert.Equal(0, ledger.Audit());
            Assert.Equal(Rules, ledger.Summarize().Counts[(int)RuleState.Verified]);

            // The thread is idle now, so that the rules may be touched behind its back.
            kernel.Change([new IndexRuleChange(1, 0), new IndexRuleChange(2, 77), new IndexRuleChange(5000, 3)], new int[3]);
            Assert.Equal(0, ledger.Audit());
            Settle(ledger);
            Assert.Equal(0, ledger.Audit());
            LedgerSummary summary = ledger.Summarize();
            Assert.Equal((2L, 1L, Rules), (summary.Ineffective, summary.Strangers, summary.Counts[(int)RuleState.Verified]));
            List<HeldRule> held = [];
            Assert.Equal(0, backend.Dump(held));
            Assert.Equal(Enumerable.Range(1, Rules).Select(match => Rule((uint)match)), held.Select(each => each.Rule).OrderBy(rule => rule.Match));
            for (uint match = 1; match <= Rules; match++)
            {
                ledger.Forget(match);
            }

            Settle(ledger);
            held.Clear();
            Assert.Equal(0, backend.Dump(held));
            Assert.Empty(held);
        }

        Assert.DoesNotContain("clsact", _space.Exec("tc", "qdisc", "show", "dev", "v0"), StringComparison.Ordinal);
    });

    private static SteeringRule Rule(uint match) => new(match, 0, (ushort)(match % 7), SteeringRule.Any);

    private static void Settle(RuleLedger ledger)
    {
        long until = Environment.TickCount64 + 20_000;
        do
        {
            Assert.True(Environment.TickCount64 < until, "the backend does not answer");
            ledger.Pump();
        }
        while (ledger.Summarize() is var now && (now.Outstanding > 0 || now.Leaving > 0 || now.Counts[(int)RuleState.Wanted] > 0));
    }
}
