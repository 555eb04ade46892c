using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>The ledger against a card with every fault that the model knows.</summary>
public sealed class RuleLedgerTests
{
    private readonly List<(uint Match, RuleState State)> _told = [];

    [Fact]
    public void A_rule_comes_from_wanted_to_verified_and_goes()
    {
        var device = new DeviceModel { Latency = 2 };
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        Assert.Equal(RuleState.Wanted, StateOf(ledger, 1));
        Assert.False(ledger.IsComplete);
        ledger.Pump();
        Assert.Equal(RuleState.Sent, StateOf(ledger, 1));
        Assert.Equal(1, ledger.Summarize().Outstanding);
        PumpAll(ledger);
        Assert.Equal(RuleState.Acknowledged, StateOf(ledger, 1));
        Assert.True(ledger.IsComplete);
        Assert.Equal(0, ledger.Audit());
        Assert.Equal(RuleState.Verified, StateOf(ledger, 1));
        Assert.Equal(10, Assert.Single(ledger.List()).Hits);
        ledger.Forget(1);
        PumpAll(ledger);
        Assert.Empty(ledger.List());
        Assert.Empty(device.Table);
        Assert.True(ledger.IsComplete);
        Assert.Equal([(1u, RuleState.Acknowledged), (1u, RuleState.Verified), (1u, RuleState.Removed)], _told);
    }

    [Fact]
    public void Forgotten_and_wanted_again_before_it_was_sent_nothing_is_done()
    {
        var device = new DeviceModel();
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        PumpAll(ledger);
        _told.Clear();
        ledger.Forget(1);
        ledger.Want(Rule(1));
        PumpAll(ledger);
        Assert.Equal(RuleState.Acknowledged, StateOf(ledger, 1));
        Assert.True(ledger.IsComplete);
        Assert.Empty(_told);

        // And while its removal is under way, it is sent once more.
        device.Latency = 3;
        ledger.Forget(1);
        ledger.Pump();
        ledger.Want(Rule(1));
        PumpAll(ledger);
        Assert.Equal(RuleState.Acknowledged, StateOf(ledger, 1));
        Assert.Equal(Rule(1), device.Table[1]);
    }

    [Fact]
    public void A_rule_that_changes_while_it_is_under_way_ends_as_it_is_wanted_last()
    {
        var device = new DeviceModel { Latency = 3 };
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        ledger.Pump();
        ledger.Want(Rule(1) with { Queue = 5 });
        ledger.Forget(2);
        PumpAll(ledger);
        Assert.Equal(5, device.Table[1].Queue);
        Assert.Equal(RuleState.Acknowledged, StateOf(ledger, 1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Credits_bound_what_is_under_way_and_any_order_of_answers_will_do(bool reorders)
    {
        var device = new DeviceModel { Latency = 4, Credits = 8, Reorders = reorders };
        RuleLedger ledger = Over(device);
        var random = new Random(1);
        HashSet<uint> wanted = [];
        for (int round = 0; round < 20_000; round++)
        {
            uint match = (uint)random.Next(1, 300);
            if (random.Next(3) > 0)
            {
                ledger.Want(Rule(match));
                wanted.Add(match);
            }
            else
            {
                ledger.Forget(match);
                wanted.Remove(match);
            }

            if (random.Next(4) == 0)
            {
                ledger.Pump();
            }

            if (random.Next(500) == 0)
            {
                Assert.Equal(0, ledger.Audit());
            }
        }

        PumpAll(ledger);
        Assert.Equal(wanted.Order(), device.Table.Keys.Order());
        Assert.True(ledger.IsComplete);
        Assert.InRange(device.MostUnderWay, 8, 8);
        LedgerSummary summary = ledger.Summarize();
        Assert.Equal(wanted.Count, summary.Counts.Sum());
        Assert.Equal((0, 0, 0L, 0L), (summary.Leaving, summary.Outstanding, summary.Ineffective, summary.Strangers));
    }

    [Fact]
    public void A_yes_that_means_nothing_is_found_and_at_last_given_up()
    {
        var device = new DeviceModel();
        device.Ignores.Add(1);
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        ledger.Want(Rule(2));
        PumpAll(ledger);
        Assert.True(ledger.IsComplete);
        for (int audits = 0; audits < 5; audits++)
        {
            Assert.Equal(0, ledger.Audit());
        }

        Assert.Equal(RuleState.Failed, StateOf(ledger, 1));
        Assert.Equal(RuleState.Verified, StateOf(ledger, 2));
        Assert.False(ledger.IsComplete);
        Assert.Equal(3, ledger.Summarize().Ineffective);
        Assert.Equal(3, _told.Count(told => told == (1u, RuleState.Failed)));

        // Somebody repairs the card.
        device.Ignores.Clear();
        ledger.Resync();
        Assert.Equal(0, ledger.Audit());
        Assert.Equal(RuleState.Verified, StateOf(ledger, 1));
        Assert.True(ledger.IsComplete);
    }

    [Fact]
    public void What_is_lost_comes_back_and_what_nobody_wants_goes()
    {
        var device = new DeviceModel();
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        ledger.Want(Rule(2));
        PumpAll(ledger);
        Assert.Equal(0, ledger.Audit());
        device.Lose(1);
        device.Put(Rule(2) with { Mark = 99 });
        device.Put(Rule(77));
        Assert.Equal(0, ledger.Audit());
        Assert.Equal([1u, 2u], device.Table.Keys.Order());
        Assert.Equal(Rule(2), device.Table[2]);
        Assert.Equal(1, ledger.Summarize().Strangers);
        Assert.Equal(2, ledger.Summarize().Ineffective);
        Assert.Equal(0, ledger.Audit());
        Assert.Equal(RuleState.Verified, StateOf(ledger, 1));
    }

    [Fact]
    public void Packets_in_another_queue_than_the_rule_says_withdraw_it()
    {
        var device = new DeviceModel();
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        ledger.Want(Rule(2));
        PumpAll(ledger);
        for (int packets = 0; packets < 15; packets++)
        {
            ledger.Observe(1, 9);
            ledger.Observe(2, 9);
        }

        // One that arrives where it should shows that the rule works.
        ledger.Observe(2, 1);
        ledger.Observe(1, 9);
        ledger.Observe(2, 9);
        PumpAll(ledger);
        Assert.Equal(RuleState.Failed, StateOf(ledger, 1));
        Assert.Equal(RuleState.Acknowledged, StateOf(ledger, 2));
        Assert.Equal([2u], device.Table.Keys);
        Assert.Contains((1u, RuleState.Failed), _told);
    }

    [Fact]
    public void A_rule_without_effect_is_told_from_one_that_works_and_is_withdrawn_once()
    {
        var device = new DeviceModel();
        device.Misleads.Add(1);
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        ledger.Want(Rule(2));
        PumpAll(ledger);
        Assert.Equal(0, ledger.Audit());
        for (int packets = 0; packets < 100; packets++)
        {
            ledger.Observe(1, device.Deliver(1, 7));
            ledger.Observe(2, device.Deliver(2, 7));
        }

        PumpAll(ledger);
        LedgerLine bad = ledger.List().Single(line => line.Rule.Match == 1);
        Assert.Equal((RuleState.Failed, true, (ushort)0, 100L), (bad.State, bad.IsIneffective, bad.Seen, bad.Misses));
        LedgerLine good = ledger.List().Single(line => line.Rule.Match == 2);
        Assert.Equal((RuleState.Verified, false, SteeringRule.Any, 0L), (good.State, good.IsIneffective, good.Seen, good.Misses));
        Assert.Equal(120, good.Hits);
        Assert.Equal([2u], device.Table.Keys);
        Assert.Equal(1, ledger.Summarize().Ineffective);
        Assert.Single(_told, told => told == (1u, RuleState.Failed));

        // It stays away, until somebody wants it otherwise or has all sent again.
        Assert.Equal(0, ledger.Audit());
        Assert.Equal([2u], device.Table.Keys);
        device.Misleads.Clear();
        ledger.Resync();
        PumpAll(ledger);
        ledger.Observe(1, device.Deliver(1, 7), 1000);
        Assert.Equal((RuleState.Acknowledged, false), ledger.List().Where(line => line.Rule.Match == 1).Select(line => (line.State, line.IsIneffective)).Single());
    }

    [Fact]
    public void While_the_backend_is_read_nobody_waits_and_what_changes_meanwhile_is_left_alone()
    {
        var device = new DeviceModel { Credits = 1024 };
        RuleLedger ledger = Over(device);
        for (uint match = 1; match <= 100; match++)
        {
            ledger.Want(Rule(match));
        }

        PumpAll(ledger);
        device.Reading = () =>
        {
            // From another thread, which the ledger's lock would hold.
            Task other = Task.Run(() =>
            {
                for (uint match = 1; match <= 10; match++)
                {
                    ledger.Forget(match);
                    ledger.Want(Rule(match + 20) with { Queue = 3 });
                    ledger.Want(Rule(match + 1000));
                }

                PumpAll(ledger);
            });
            Assert.True(other.Wait(TimeSpan.FromSeconds(20)), "the ledger was locked while its backend was read");
        };
        Assert.Equal(0, ledger.Audit());
        device.Reading = null;
        LedgerSummary summary = ledger.Summarize();
        Assert.Equal((0L, 0L, 0), (summary.Strangers, summary.Ineffective, summary.Leaving));
        Assert.Equal(80, summary.Counts[(int)RuleState.Verified]);
        Assert.Equal(20, summary.Counts[(int)RuleState.Acknowledged]);
        Assert.Equal(100, device.Table.Count);
        Assert.Equal(0, ledger.Audit());
        Assert.Equal(100, ledger.Summarize().Counts[(int)RuleState.Verified]);
    }

    [Fact]
    public void A_refusal_is_a_failure_with_its_error()
    {
        var device = new DeviceModel();
        device.Refuses.Add(1);
        RuleLedger ledger = Over(device);
        ledger.Want(Rule(1));
        PumpAll(ledger);
        LedgerLine line = Assert.Single(ledger.List());
        Assert.Equal((RuleState.Failed, -Definitions.EOPNOTSUPP), (line.State, line.Error));
        Assert.Null(ledger.Summarize().Capacity);
        ledger.Forget(1);
        PumpAll(ledger);
        Assert.Empty(ledger.List());
    }

    [Fact]
    public void Where_room_is_short_the_busiest_have_it_and_small_differences_move_nothing()
    {
        var device = new DeviceModel(capacity: 10);
        RuleLedger ledger = Over(device);
        for (uint match = 1; match <= 15; match++)
        {
            ledger.Want(Rule(match));
        }

        PumpAll(ledger);
        Assert.Equal(10, device.Table.Count);
        Assert.Equal(10, ledger.Summarize().Capacity);
        Assert.Equal(5, ledger.Summarize().Counts[(int)RuleState.Evicted]);
        Assert.False(ledger.IsComplete);
        uint[] within = [.. device.Table.Keys.Order()];
        uint[] without = [.. Enumerable.Range(1, 15).Select(match => (uint)match).Except(within)];
        Array.ForEach(within, match => ledger.Weigh(match, 100));
        Array.ForEach(without, match => ledger.Weigh(match, 140));
        Assert.Equal(0, ledger.Audit());
        Assert.Equal(within, device.Table.Keys.Order());

        ledger.Weigh(without[0], 151);
        Assert.Equal(0, ledger.Audit());
        Assert.Contains(without[0], device.Table.Keys);
        Assert.Equal(10, device.Table.Count);
        Assert.Equal(5, ledger.Summarize().Counts[(int)RuleState.Evicted]);

        // A place that becomes free goes to the busiest without one.
        ledger.Weigh(without[2], 145);
        ledger.Forget(without[0]);
        PumpAll(ledger);
        Assert.Contains(without[2], device.Table.Keys);
        Assert.Equal(10, device.Table.Count);
    }

    private static SteeringRule Rule(uint match) => new(match, match * 3, 1, 1);

    private static RuleState StateOf(RuleLedger ledger, uint match) => ledger.List().Single(line => line.Rule.Match == match).State;

    private static void PumpAll(RuleLedger ledger)
    {
        for (int i = 0; i < 1000; i++)
        {
            ledger.Pump();
        }
    }

    private RuleLedger Over(DeviceModel device) => new(device, (rule, state) => _told.Add((rule.Match, state)));
}
