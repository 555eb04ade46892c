using System.Diagnostics;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Control;

/// <summary>Takes one record.</summary>
/// <param name="entry">The record; valid during the call only.</param>
/// <returns>Whether more are wanted.</returns>
public delegate bool TraceHandler(in RingEntry entry);

/// <summary>A trace under way: the rings that a daemon writes as long as this is not disposed, merged by time.</summary>
public sealed class TraceSession : IDisposable
{
    /// <summary>
    /// Nanoseconds for which the newest records wait: a thread may write one somewhat after another's that happened later, since a record is
    /// written at the end of what it tells.
    /// </summary>
    public const long HoldBack = 20_000_000;

    private readonly ControlSession<TraceOpened> _session;
    private readonly RingReader _control;
    private readonly RingReader[] _workers;
    private readonly bool[] _taken;
    private readonly List<(RingRecord Head, byte[] Outer)> _waiting = [];

    private TraceSession(ControlSession<TraceOpened> session, RingReader[] rings)
    {
        _session = session;
        _control = rings[0];
        _workers = rings[1..];
        _taken = new bool[_workers.Length];
        Peers = session.Answer.Peers.GroupBy(peer => peer.Id).ToDictionary(group => group.Key, group => group.First());
    }

    /// <summary>Gets the interface's present name.</summary>
    public string Interface => _session.Answer.Interface;

    /// <summary>Gets the peers by the number that records have.</summary>
    public IReadOnlyDictionary<ulong, TracePeer> Peers { get; }

    /// <summary>Gets the descriptors that came beside the rings, owned by whoever takes them.</summary>
    public IReadOnlyList<FileDescriptor> Others => [.. _session.Descriptors.Skip(_session.Answer.Rings)];

    /// <summary>Gets a value indicating whether the daemon still writes.</summary>
    public bool IsOpen => _session.IsOpen;

    /// <summary>Gets the records that were lost: overwritten before they were read, or left out because a thread was in the way.</summary>
    public long Lost => _control.Lost + _workers.Sum(ring => ring.Lost);

    /// <summary>Begins a trace.</summary>
    /// <param name="client">The daemon.</param>
    /// <param name="request">What is wanted.</param>
    /// <returns>The session.</returns>
    /// <exception cref="ControlException">No daemon answers, it refuses, or its rings are of another version.</exception>
    public static TraceSession Begin(ControlClient client, TraceRequest request)
    {
        ArgumentNullException.ThrowIfNull(client);
        ControlSession<TraceOpened> session = client.Open(request, TraceJson.Default.TraceRequest, TraceJson.Default.TraceOpened);
        List<RingReader> rings = [];
        try
        {
            if (session.Answer.Rings < 1 || session.Descriptors.Count < session.Answer.Rings)
            {
                throw new ControlException(
                    $"{client.InterfaceName}: the daemon handed over {session.Descriptors.Count} rings of {session.Answer.Rings}; use the tunnelctl of the daemon's version.");
            }

            foreach (FileDescriptor descriptor in session.Descriptors.Take(session.Answer.Rings))
            {
                rings.Add(new RingReader(descriptor));
            }

            return new TraceSession(session, [.. rings]);
        }
        catch (Exception e)
        {
            rings.ForEach(ring => ring.Dispose());
            foreach (FileDescriptor descriptor in session.Descriptors)
            {
                descriptor.Dispose();
            }

            session.Dispose();
            throw e is RingException ? new ControlException($"{client.InterfaceName}: {e.Message}", ControlFailure.Failed, e) : e;
        }
    }

    /// <summary>Takes what is old enough to be in order, in order.</summary>
    /// <param name="handler">Takes each record.</param>
    /// <param name="all">Also the newest; for the end.</param>
    /// <returns>How many were taken.</returns>
    public int Take(TraceHandler handler, bool all = false)
    {
        ArgumentNullException.ThrowIfNull(handler);
        DrainControl();
        long until = all ? long.MaxValue : Stopwatch.GetTimestamp() - HoldBack;
        int taken = 0;
        bool more = true;
        while (more && Oldest(until) is { } ring)
        {
            taken++;
            if (ring >= 0)
            {
                more = handler(_workers[ring].Current);
                _taken[ring] = false;
            }
            else
            {
                (RingRecord head, byte[] outer) = _waiting[0];
                _waiting.RemoveAt(0);
                more = handler(new RingEntry(in head, default, outer, head.Time + _control.ClockOffset));
            }
        }

        return taken;
    }

    /// <summary>Ends the trace: the daemon writes no more.</summary>
    public void Dispose()
    {
        _session.Dispose();
        _control.Dispose();
        Array.ForEach(_workers, ring => ring.Dispose());
    }

    // The control side writes what it did before it writes what it did that for, so its ring is sorted here; it is short.
    private void DrainControl()
    {
        int before = _waiting.Count;
        while (_control.TryTake())
        {
            RingEntry entry = _control.Current;
            _waiting.Add((entry.Head, entry.Outer.ToArray()));
        }

        if (_waiting.Count > before)
        {
            _waiting.Sort((a, b) => a.Head.Time.CompareTo(b.Head.Time));
        }
    }

    private int? Oldest(long until)
    {
        int? oldest = _waiting.Count > 0 && _waiting[0].Head.Time <= until ? -1 : null;
        long time = oldest is null ? until : _waiting[0].Head.Time;
        for (int i = 0; i < _workers.Length; i++)
        {
            _taken[i] = _taken[i] || _workers[i].TryTake();
            if (_taken[i] && _workers[i].Time <= time)
            {
                oldest = i;
                time = _workers[i].Time;
            }
        }

        return oldest;
    }
}
