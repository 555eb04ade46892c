namespace TunnelBox.Visibility.Rings;

/// <summary>
/// Where one writing thread finds the rings of those who read along: nobody, as a rule, and then asking is one load and one branch.
/// Readers come and go on other threads; what they take away is freed by the caller once the writer cannot be using it.
/// </summary>
public sealed class RingTaps
{
    private readonly Lock _gate = new();
    private TapSet? _set;
    private int _localPort;

    /// <summary>Gets the rings to write, or null.</summary>
    public TapSet? Set => Volatile.Read(ref _set);

    /// <summary>Gets the queue that records name.</summary>
    public ushort Queue { get; init; }

    /// <summary>Gets or sets the UDP port that records name as ours.</summary>
    public ushort LocalPort
    {
        get => (ushort)Volatile.Read(ref _localPort);
        set => Volatile.Write(ref _localPort, value);
    }

    /// <summary>Adds a ring.</summary>
    /// <param name="writer">The ring.</param>
    /// <returns>What the writing thread used before, to be disposed once it cannot be using it; null for nothing.</returns>
    public IDisposable? Add(RingWriter writer) => Change(writers => [.. writers, writer]);

    /// <summary>Takes a ring away; the ring itself stays the caller's.</summary>
    /// <param name="writer">The ring.</param>
    /// <returns>What the writing thread used before, to be disposed once it cannot be using it; null for nothing.</returns>
    public IDisposable? Remove(RingWriter writer) => Change(writers => [.. writers.Where(other => other != writer)]);

    private TapSet? Change(Func<RingWriter[], RingWriter[]> change)
    {
        lock (_gate)
        {
            TapSet? before = _set;
            RingWriter[] writers = change(before?.Writers ?? []);
            Volatile.Write(ref _set, writers.Length == 0 ? null : new TapSet(writers));
            return before;
        }
    }
}
