using System.Collections.Concurrent;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <summary>One step of a handshake or session.</summary>
/// <param name="Time">When.</param>
/// <param name="Name">Which, as the tracing probes are named.</param>
/// <param name="Peer">Whose, or null for unknown.</param>
/// <param name="Detail">What it says, for people; empty for nothing.</param>
/// <param name="Reason">Why a handshake ended or a message was refused, or null.</param>
public sealed record ControlEvent(DateTimeOffset Time, string Name, PublicKey? Peer, string Detail, string? Reason);

/// <summary>Somebody who watches control events: a bounded queue, so that a slow reader loses events and holds up nobody.</summary>
public sealed class ControlWatch : IDisposable
{
    private const int Capacity = 4096;

    private readonly BlockingCollection<ControlEvent> _queue = new(Capacity);
    private readonly Action<ControlWatch> _leave;
    private long _lost;

    internal ControlWatch(Action<ControlWatch> leave) => _leave = leave;

    /// <summary>Gets how many events found the queue full.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Takes the oldest event.</summary>
    /// <param name="wait">How long to wait for one.</param>
    /// <returns>The event, or null.</returns>
    public ControlEvent? Take(TimeSpan wait) => _queue.TryTake(out ControlEvent? taken, wait) ? taken : null;

    /// <inheritdoc/>
    public void Dispose() => _leave(this);

    internal void Add(ControlEvent happened)
    {
        if (!_queue.TryAdd(happened))
        {
            Interlocked.Increment(ref _lost);
        }
    }
}
