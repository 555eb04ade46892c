using System.Collections.Concurrent;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// Makes a rule of every receiver index that a tunnel has given out: it stands in the XDP program's map before the message leaves that
/// carries it, and goes with its session.
/// </summary>
/// <param name="ledger">The rules.</param>
/// <param name="complete">Told after every change whether each index in use stands in the map.</param>
/// <param name="owners">Which worker owns each peer; null where it does not matter.</param>
public sealed class SessionRules(RuleLedger ledger, Action<bool> complete, Ownership? owners = null) : IIndexObserver<IndexOwner>
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<uint, ushort> _expected = new();

    /// <summary>Gets the rules.</summary>
    public RuleLedger Ledger => ledger;

    /// <summary>Gives the mark of a peer's flows.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The first four bytes of its public key, the first being the highest.</returns>
    public static uint MarkOf(Peer? peer) => (uint)(TunnelTrace.IdOf(peer) >> 32);

    /// <inheritdoc/>
    public void Added(uint index, IndexOwner owner)
    {
        Peer? peer = owner as Peer ?? (owner as Keypair)?.Peer;
        uint mark = MarkOf(peer);
        ushort worker = owners is { Workers: > 1 } && peer is not null ? (ushort)owners.Of(peer) : SteeringRule.Any;
        ledger.Want(new SteeringRule(index, mark, _expected.GetValueOrDefault(mark, SteeringRule.Any), worker));
    }

    /// <summary>Says by which queue a peer's packets come in from now on, because a card was told so; the program counts those that do not.</summary>
    /// <param name="mark">The peer's mark.</param>
    /// <param name="queue">The queue, or <see cref="SteeringRule.Any"/>.</param>
    public void Expect(uint mark, ushort queue)
    {
        if (_expected.GetValueOrDefault(mark, SteeringRule.Any) == queue)
        {
            return;
        }

        if (queue == SteeringRule.Any)
        {
            _expected.TryRemove(mark, out _);
        }
        else
        {
            _expected[mark] = queue;
        }

        foreach (LedgerLine line in ledger.List())
        {
            if (line.Rule.Mark == mark)
            {
                ledger.Want(line.Rule with { Queue = queue });
            }
        }

        Flush();
    }

    /// <inheritdoc/>
    public void Removed(uint index) => ledger.Forget(index);

    /// <inheritdoc/>
    public void Flush()
    {
        ledger.Pump();
        Tell();
    }

    /// <summary>Compares the map with what is wanted; from any thread.</summary>
    public void Audit()
    {
        _ = ledger.Audit();
        Tell();
    }

    // What is told last must have been looked at last.
    private void Tell()
    {
        lock (_gate)
        {
            complete(ledger.IsComplete);
        }
    }
}
