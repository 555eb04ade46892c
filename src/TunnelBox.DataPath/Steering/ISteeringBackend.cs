using TunnelBox.Linux.Ethtool;

namespace TunnelBox.DataPath.Steering;

/// <summary>Something that holds steering rules: a map of the XDP program, or a card. It answers when it can, in any order.</summary>
public interface ISteeringBackend
{
    /// <summary>Gets its name, for people and probes.</summary>
    string Name { get; }

    /// <summary>Gets how many orders may be under way at once.</summary>
    int Credits { get; }

    /// <summary>Takes orders; never waits for them to be carried out.</summary>
    /// <param name="orders">The orders, at most as many as credits are left.</param>
    void Submit(ReadOnlySpan<SteeringOrder> orders);

    /// <summary>Gives the answers that are there.</summary>
    /// <param name="answers">Where to.</param>
    /// <returns>How many.</returns>
    int Collect(Span<SteeringAnswer> answers);

    /// <summary>Reads what is held, not what is thought to be held; also while another thread submits and collects.</summary>
    /// <param name="held">Where to.</param>
    /// <returns>0, or −errno where it cannot be read.</returns>
    int Dump(ICollection<HeldRule> held);
}

/// <summary>What is wanted of a backend: packets that match go to a queue and a worker, and carry a mark.</summary>
/// <param name="Match">The receiver index of data messages, or the number of a flow where a card knows no index.</param>
/// <param name="Mark">The mark.</param>
/// <param name="Queue">The device's receive queue, or <see cref="Any"/>.</param>
/// <param name="Worker">The worker, or <see cref="Any"/>.</param>
/// <param name="Flow">What matches in a card that knows no index; <paramref name="Match"/> is its number then.</param>
public readonly record struct SteeringRule(uint Match, uint Mark, ushort Queue, ushort Worker, UdpFlow Flow = default)
{
    /// <summary>A queue or worker that does not matter.</summary>
    public const ushort Any = ushort.MaxValue;
}

/// <summary>One order.</summary>
/// <param name="Number">Tells its answer.</param>
/// <param name="Rule">The rule; of one to be removed only the match counts.</param>
/// <param name="IsRemoval">Whether the rule is to go.</param>
public readonly record struct SteeringOrder(long Number, SteeringRule Rule, bool IsRemoval);

/// <summary>The answer to an order.</summary>
/// <param name="Number">Of the order.</param>
/// <param name="Error">0, or −errno: ENOSPC when there is no room.</param>
public readonly record struct SteeringAnswer(long Number, int Error);

/// <summary>A rule as a backend holds it.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Hits">Packets that matched since it was set, as far as the backend counts.</param>
/// <param name="Misses">Those of them that came in by another queue than the rule's.</param>
/// <param name="Seen">The queue of the last of these.</param>
public readonly record struct HeldRule(SteeringRule Rule, long Hits, long Misses = 0, ushort Seen = SteeringRule.Any);
