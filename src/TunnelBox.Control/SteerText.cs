using System.Globalization;
using System.Text;

namespace TunnelBox.Control;

/// <summary>Steering rules as people read them.</summary>
public static class SteerText
{
    /// <summary>Writes an answer: a line for each backend, then one for each rule.</summary>
    /// <param name="answer">The answer.</param>
    /// <returns>The lines, each with its end.</returns>
    public static string Write(SteerAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{answer.Interface}: steering {answer.Setting}");
        text.Append((answer.Note ?? answer.Choice) is { } said ? $"; {said}\n" : "\n");
        foreach (SteerBackend backend in answer.Backends)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {backend.Name}: {(backend.Complete ? "holds every rule" : "does not hold every rule, so nobody's packets pass too")}; {backend.Verified} verified, {backend.Acknowledged} acknowledged, {backend.Sent} sent, {backend.Wanted} wanted, {backend.Failed} failed, {backend.Evicted} evicted, {backend.Leaving} leaving\n");
            text.Append(
                CultureInfo.InvariantCulture,
                $"    capacity {(backend.Capacity is { } capacity ? capacity.ToString(CultureInfo.InvariantCulture) : "not reached")}, {backend.Outstanding} of {backend.Credits} credits used, {backend.Ineffective} times ineffective, {backend.Strangers} strangers removed\n");
        }

        foreach (SteerPeer peer in answer.Peers)
        {
            string queue = peer.Queue is { } number ? number.ToString(CultureInfo.InvariantCulture) : "any";
            text.Append(CultureInfo.InvariantCulture, $"  peer {peer.PeerName ?? peer.Peer ?? "none"} queue {queue} hits {peer.Hits} misses {peer.Misses}\n");
        }

        foreach (SteerRule rule in answer.Rules)
        {
            string queue = rule.Queue is { } number ? number.ToString(CultureInfo.InvariantCulture) : "any";
            string worker = rule.Worker is { } thread ? thread.ToString(CultureInfo.InvariantCulture) : "any";
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {rule.Match} {rule.State} queue {queue} worker {worker} hits {rule.Hits}{(rule.Seen is { } seen ? $" misses {rule.Misses} by queue {seen}" : string.Empty)} peer {rule.PeerName ?? rule.Peer ?? "none"}{(rule.Reason is null ? string.Empty : $" {rule.Reason}")}{(rule.Error is null ? string.Empty : $" error {rule.Error}")}\n");
        }

        return text.ToString();
    }
}
