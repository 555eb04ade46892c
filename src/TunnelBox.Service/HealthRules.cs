using System.Globalization;
using TunnelBox.Control;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>How a peer is, and by what that is judged.</summary>
/// <param name="Health">How it is.</param>
/// <param name="Detail">Why, for people; null where there is nothing to say.</param>
public readonly record struct HealthReading(PeerHealth Health, string? Detail = null);

/// <summary>Packets of a peer within the last <see cref="HealthRules.Window"/>.</summary>
/// <param name="Replayed">Those refused because they had been seen before.</param>
/// <param name="Received">Those accepted.</param>
public readonly record struct RecentPackets(long Replayed, long Received);

/// <summary>Judges peers. What the values mean stands at <see cref="PeerHealth"/>.</summary>
public static class HealthRules
{
    /// <summary>Nanoseconds over which replays are counted.</summary>
    public const long Window = 10 * Limits.Second;

    /// <summary>Nanoseconds after which data is owed a sign of life: KEEPALIVE_TIMEOUT, and a second for the way.</summary>
    public const long DataPatience = Limits.KeepaliveTimeout + Limits.Second;

    private const int Unused = 2;
    private const long UnusedWithin = 20 * Limits.Second;
    private const long StormSize = 100;
    private const long StormShare = 20;

    /// <summary>Judges a peer.</summary>
    /// <param name="contact">When it was last heard and asked.</param>
    /// <param name="recent">What arrived lately.</param>
    /// <returns>How it is.</returns>
    public static HealthReading Of(PeerContact contact, RecentPackets recent)
    {
        if (recent.Replayed >= StormSize && recent.Replayed * StormShare >= recent.Received + recent.Replayed)
        {
            return new HealthReading(PeerHealth.Replays, Text($"{recent.Replayed} of {recent.Received + recent.Replayed} packets of the last 10 s had been seen before"));
        }

        if (contact is { UnusedResponses: >= Unused, ReceivedAge: <= UnusedWithin })
        {
            return new HealthReading(PeerHealth.Unheard, Text($"it began {contact.UnusedResponses} handshakes and used none of our answers: they do not reach it, or it cannot read them"));
        }

        if (contact.IsUnanswered)
        {
            return new HealthReading(PeerHealth.Stalled, Text($"a handshake begun {contact.AskedAge / 1e9:0} s ago has no answer"));
        }

        if (contact.DataUnansweredFor is { } waiting and > DataPatience)
        {
            return new HealthReading(PeerHealth.Stalled, Text($"nothing came back for {waiting / 1e9:0} s since data was sent"));
        }

        return new HealthReading(contact.ReceivedAge is <= PeerStates.HeardWithin ? PeerHealth.Well : PeerHealth.Quiet);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
