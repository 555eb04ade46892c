using System.Buffers.Binary;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>Receiver indices of a living tunnel in a backend: there before the message that carries them, gone with their session.</summary>
public sealed class SessionRulesTests : TwoNodes
{
    private readonly DeviceModel _device = new() { Credits = 1024 };
    private bool _complete;

    [Fact]
    public void An_index_is_there_before_the_message_that_carries_it()
    {
        Establish();
        SessionRules rules = Observe();

        // Those of before were there at once.
        Assert.Contains(B.PeerOf(A).Current!.LocalIndex, _device.Table.Keys);
        Assert.True(_complete);
        int carried = 0;
        Action<byte[], EndpointAddress, byte> send = B.Transmit!;
        B.Transmit = (bytes, to, ecn) =>
        {
            if (bytes[0] is 1 or 2)
            {
                carried++;
                Assert.Contains(BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4)), _device.Table.Keys);
            }

            send(bytes, to, ecn);
        };
        for (int rekey = 0; rekey < 8; rekey++)
        {
            // Each end begins in turn.
            (MemoryNode from, string source, string target) = rekey % 2 == 0 ? (A, "10.0.0.1", "10.0.0.2") : (B, "10.0.0.2", "10.0.0.1");
            Clock.Advance(121);
            Send(from, InnerPackets.IPv4(source, target));
            Settle();
            Assert.True(_complete);
            uint current = B.PeerOf(A).Current!.LocalIndex;
            Assert.Equal(SessionRules.MarkOf(B.PeerOf(A)), _device.Table[current].Mark);
        }

        Assert.InRange(carried, 4, 100);
        Assert.InRange(_device.Table.Count, 1, 3);

        B.Tunnel.DropAllSessions();
        B.Tunnel.Tick();
        Assert.Empty(_device.Table);
        Assert.Empty(rules.Ledger.List());
        Assert.True(_complete);
    }

    [Fact]
    public void While_one_index_has_no_place_the_copy_is_incomplete()
    {
        Establish();
        uint current = B.PeerOf(A).Current!.LocalIndex;
        _device.Refuses.Add(current);
        SessionRules rules = Observe();
        Assert.False(_complete);
        _device.Refuses.Clear();
        rules.Ledger.Resync();
        rules.Audit();
        Assert.True(_complete);
        Assert.Equal(RuleState.Verified, Assert.Single(rules.Ledger.List()).State);
    }

    private SessionRules Observe()
    {
        var rules = new SessionRules(new RuleLedger(_device), complete => _complete = complete);
        B.Tunnel.ObserveIndices(rules);
        return rules;
    }
}
