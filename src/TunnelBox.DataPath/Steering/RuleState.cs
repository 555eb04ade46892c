namespace TunnelBox.DataPath.Steering;

/// <summary>How far a wanted rule has come.</summary>
public enum RuleState
{
    /// <summary>Not sent yet: credits are short, or it waits for another try.</summary>
    Wanted,

    /// <summary>Under way to the backend.</summary>
    Sent,

    /// <summary>The backend said yes.</summary>
    Acknowledged,

    /// <summary>It was found in the backend since.</summary>
    Verified,

    /// <summary>It was refused, or it stands there and has no effect.</summary>
    Failed,

    /// <summary>There is no room for it.</summary>
    Evicted,

    /// <summary>Nobody wants it any more, and it is gone.</summary>
    Removed,
}

/// <summary>How a ledger stands.</summary>
/// <param name="Backend">The backend's name.</param>
/// <param name="Counts">Rules by state, in the order of <see cref="RuleState"/>; those on their way out are in none.</param>
/// <param name="Leaving">Rules on their way out.</param>
/// <param name="Capacity">Rules that the backend was found to hold at most; null while it has refused none.</param>
/// <param name="Credits">Orders that may be under way at once.</param>
/// <param name="Outstanding">Orders under way.</param>
/// <param name="Ineffective">Rules found missing, changed or without effect after the backend had said yes, so far.</param>
/// <param name="Strangers">Rules found in the backend that nobody wanted, so far; they were removed.</param>
public sealed record LedgerSummary(
    string Backend, IReadOnlyList<int> Counts, int Leaving, int? Capacity, int Credits, int Outstanding, long Ineffective, long Strangers);

/// <summary>One rule of a ledger.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="State">How far it has come.</param>
/// <param name="Hits">Packets that matched, when the backend was last read.</param>
/// <param name="Error">0, or −errno of the last refusal.</param>
/// <param name="Misses">Packets of it that came in by another queue than its own.</param>
/// <param name="Seen">The queue of the last of these.</param>
/// <param name="IsIneffective">Whether it failed because it was there and had no effect.</param>
public sealed record LedgerLine(
    SteeringRule Rule, RuleState State, long Hits, int Error, long Misses = 0, ushort Seen = SteeringRule.Any, bool IsIneffective = false);

/// <summary>What was counted for all rules of one mark.</summary>
/// <param name="Hits">Packets that matched.</param>
/// <param name="Misses">Those of them that came in by another queue than their rule's.</param>
/// <param name="Seen">The queue of the last of these.</param>
public readonly record struct MarkTraffic(long Hits, long Misses, ushort Seen);
