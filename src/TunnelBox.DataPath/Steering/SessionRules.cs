using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// Makes a rule of every receiver index that a tunnel has given out: it stands in the XDP program's map before the message leaves that
/// carries it, and goes with its session.
/// </summary>
/// <param name="ledger">The rules.</param>
/// <param name="complete">Told after every change whether each index in use stands in the map.</param>
public sealed class SessionRules(RuleLedger ledger, Action<bool> complete) : IIndexObserver<IndexOwner>
{
    private readonly Lock _gate = new();

    /// <summary>Gets the rules.</summary>
    public RuleLedger Ledger => ledger;

    /// <summary>Gives the mark of a peer's flows.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The first four bytes of its public key, the first being the highest.</returns>
    public static uint MarkOf(Peer? peer) => (uint)(TunnelTrace.IdOf(peer) >> 32);

    /// <inheritdoc/>
    public void Added(uint index, IndexOwner owner) =>
        ledger.Want(new SteeringRule(index, MarkOf(owner as Peer ?? (owner as Keypair)?.Peer), SteeringRule.Any, SteeringRule.Any));

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
