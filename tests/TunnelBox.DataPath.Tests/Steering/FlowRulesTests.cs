using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>Rules in a card for the peers of a living tunnel; what a session's packets do is played by the model of the program's map.</summary>
public sealed class FlowRulesTests : TwoNodes
{
    private const int Queues = 4;
    private const ushort Port = 51820;

    private readonly DeviceModel _map = new() { Credits = 1024 };
    private readonly DeviceModel _card = new() { Credits = 16 };
    private readonly List<string> _told = [];
    private Ownership? _owners;

    [Fact]
    public void A_peer_has_a_rule_as_long_as_it_has_a_session_and_its_sessions_expect_its_queue()
    {
        using FlowRules flows = Make(out SessionRules sessions);
        flows.Pass();
        flows.Pass();
        SteeringRule rule = Assert.Single(_card.Table).Value;
        Assert.Equal(SessionRules.MarkOf(B.PeerOf(A)) % Queues, rule.Queue);
        Assert.Equal((B.PeerOf(A).Endpoint!.Remote.Address, B.PeerOf(A).Endpoint!.Remote.Port, Port), (rule.Flow.Source, rule.Flow.SourcePort, rule.Flow.DestinationPort));
        Assert.Same(B.PeerOf(A), flows.PeerOf(rule.Match));
        Assert.All(sessions.Ledger.List(), line => Assert.Equal(rule.Queue, line.Rule.Queue));
        Assert.All(_map.Table.Values, held => Assert.Equal(rule.Queue, held.Queue));

        B.Tunnel.DropAllSessions();
        B.Tunnel.Tick();
        flows.Pass();
        Assert.Empty(_card.Table);
        Assert.Empty(flows.Ledger.List());
    }

    [Fact]
    public void A_rule_that_stands_there_and_has_no_effect_is_told_and_withdrawn_within_five_passes()
    {
        using FlowRules flows = Make(out SessionRules sessions);
        flows.Pass();
        flows.Pass();
        ushort queue = Assert.Single(_card.Table).Value.Queue;
        ushort wrong = (ushort)((queue + 1) % Queues);
        uint index = B.PeerOf(A).Current!.LocalIndex;

        // Packets that come in where they should.
        _map.Count(index, 100, 0, wrong);
        flows.Pass();
        flows.Pass();
        Assert.Single(_card.Table);
        Assert.Empty(_told);

        // And then, as if the card had forgotten its rule while it says that it is there.
        int passes = 0;
        while (_told.Count == 0)
        {
            Assert.InRange(++passes, 1, 5);
            _map.Count(index, 50, 50, wrong);
            flows.Pass();
        }

        Assert.Equal($"the rule of model for queue {queue} is installed and has no effect: packets come in by queue {wrong}; it is withdrawn", Assert.Single(_told));
        flows.Pass();
        Assert.Empty(_card.Table);
        LedgerLine line = Assert.Single(flows.Ledger.List());
        Assert.Equal((RuleState.Failed, true, wrong), (line.State, line.IsIneffective, line.Seen));

        // Nobody expects the queue any more, so nobody counts misses against it.
        Assert.All(sessions.Ledger.List(), each => Assert.Equal(SteeringRule.Any, each.Rule.Queue));
        flows.Pass();
        flows.Pass();
        Assert.Single(_told);
    }

    [Fact]
    public void A_card_that_matches_indices_follows_the_session()
    {
        using FlowRules flows = Make(out _, byIndex: true);
        flows.Pass();
        uint first = B.PeerOf(A).Current!.LocalIndex;
        Assert.Equal([first], _card.Table.Keys);
        Clock.Advance(121);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        flows.Pass();
        uint second = B.PeerOf(A).Current!.LocalIndex;
        Assert.NotEqual(first, second);
        Assert.Equal([second], _card.Table.Keys);
    }

    [Fact]
    public void A_rule_leads_to_a_queue_of_the_owner_and_follows_it()
    {
        _owners = new Ownership(2, B.Tunnel.Now);
        using FlowRules flows = Make(out SessionRules sessions);
        for (int move = 0; move < 3; move++)
        {
            B.PeerOf(A).Owner = move % 2;
            flows.Pass();
            flows.Pass();
            SteeringRule rule = Assert.Single(_card.Table).Value;
            Assert.Equal(move % 2, rule.Queue % 2);
            Assert.All(sessions.Ledger.List(), line => Assert.Equal(rule.Queue, line.Rule.Queue));
            Assert.Equal(RuleState.Verified, Assert.Single(flows.Ledger.List()).State);
        }
    }

    private FlowRules Make(out SessionRules sessions, bool byIndex = false)
    {
        Establish();
        _map.Count(B.PeerOf(A).Current!.LocalIndex, 0, 0, 0);
        SessionRules made = new(new RuleLedger(_map), static _ => { });
        B.Tunnel.ObserveIndices(made);
        sessions = made;
        return new FlowRules(_card, byIndex, made, () => [B.PeerOf(A)], Port, new QueueChoice(Queues, _owners), null, (_, sentence) => _told.Add(sentence));
    }
}
