namespace TunnelBox.Visibility.Rings;

/// <summary>
/// The trace rings of all threads that are no workers: they write rarely, one at a time, and whoever finds another writing leaves its
/// record out, so that nobody waits. What was left out is counted.
/// </summary>
public sealed unsafe class ControlRings
{
    private readonly Lock _gate = new();
    private RingWriter[] _writers = [];
    private int _skipped;

    /// <summary>Gets a value indicating whether anybody reads.</summary>
    public bool Any => Volatile.Read(ref _writers).Length > 0;

    /// <summary>Gets or sets the UDP port that records name as ours.</summary>
    public ushort LocalPort { get; set; }

    /// <summary>Adds a ring.</summary>
    /// <param name="writer">The ring.</param>
    public void Add(RingWriter writer)
    {
        lock (_gate)
        {
            _writers = [.. _writers, writer];
        }
    }

    /// <summary>Takes a ring away.</summary>
    /// <param name="writer">The ring; nobody writes it any more when this returns.</param>
    public void Remove(RingWriter writer)
    {
        lock (_gate)
        {
            _writers = [.. _writers.Where(other => other != writer)];
        }
    }

    /// <summary>Writes a record.</summary>
    /// <param name="template">Its head; the verdict follows from the reason.</param>
    /// <param name="outer">The UDP payload.</param>
    public void Write(in RingRecord template, ReadOnlySpan<byte> outer)
    {
        if (!_gate.TryEnter())
        {
            Interlocked.Increment(ref _skipped);
            return;
        }

        try
        {
            int skipped = Interlocked.Exchange(ref _skipped, 0);
            foreach (RingWriter ring in _writers)
            {
                ring.Skip(skipped);
                if (ring.Filter.Wants(template.Peer, template.Reason))
                {
                    Write(ring, template, outer);
                }
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    private static void Write(RingWriter ring, in RingRecord template, ReadOnlySpan<byte> outer)
    {
        RingRecord* record = ring.Begin();
        *record = template;
        record->Sequence = 0;
        record->Verdict = template.Reason == DropReason.None ? RecordVerdict.Delivered : RecordVerdict.Dropped;
        fixed (byte* data = outer)
        {
            ring.AddOuter(data, outer.Length);
        }

        ring.End();
        ring.Publish();
    }
}
