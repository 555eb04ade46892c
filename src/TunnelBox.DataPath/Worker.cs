using System.Collections.Concurrent;
using TunnelBox.Crypto;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Processes;
using TunnelBox.Protocol;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.DataPath;

/// <summary>
/// One thread that owns one inner and one outer port and runs every packet to completion: no locks, allocations or system
/// calls per packet. It sleeps in ppoll(2) when both ports are empty.
/// </summary>
public sealed unsafe partial class Worker : IDisposable
{
    private const int StagedRegion = 256 * 1024;
    private const int LargestPacket = 65535;
    private const int MostLatePasses = 256;
    private readonly Tunnel _tunnel;
    private readonly IPort _inner;
    private readonly IPort _outer;
    private readonly IPacketAead _aead;
    private readonly CounterBlock _counters;
    private readonly Outbound _outbound;
    private readonly Inbound _inbound;
    private readonly RingTaps _taps;
    private readonly TracedPass _traced;
    private readonly TracedPass _tracedStaged;
    private readonly Burst _fromInner = new();
    private readonly Burst _fromOuter = new();
    private readonly Burst _fromStaged = new();
    private readonly NativeRegion _stagedBytes = new(StagedRegion);
    private readonly ConcurrentQueue<(Peer Peer, bool Keepalive)> _flushes = new();
    private readonly WakeEvent _wake = new();
    private readonly Quiescence.Reader _reader;
    private readonly Action<Peer> _flushStaged;
    private readonly Thread _thread;
    private volatile bool _stopping;
    private long _now;
    private long _longestPass;
    private long _asleep;
    private long _started;
    private long _passes;
    private long _finishUntil = long.MinValue;

    /// <summary>Makes a worker; <see cref="Start"/> starts its thread.</summary>
    /// <param name="name">The thread's name, at most 15 bytes.</param>
    /// <param name="tunnel">The tunnel.</param>
    /// <param name="inner">Its inner port, owned by the caller.</param>
    /// <param name="outer">Its outer port, owned by the caller.</param>
    /// <param name="aead">Its cipher engine, used by this worker alone and disposed with it.</param>
    /// <param name="handshakes">Where handshake messages go.</param>
    /// <param name="counters">Where this worker, and nobody else, counts.</param>
    /// <param name="taps">The trace rings of this worker; none where left out.</param>
    public Worker(
        string name, Tunnel tunnel, IPort inner, IPort outer, IPacketAead aead, HandshakeGate handshakes, CounterBlock counters, RingTaps? taps = null)
    {
        _tunnel = tunnel;
        _inner = inner;
        _outer = outer;
        _aead = aead;
        _counters = counters;
        _outbound = new Outbound(tunnel, aead);
        _inbound = new Inbound(tunnel, aead, handshakes);
        _taps = taps ?? new RingTaps();
        _traced = new TracedPass(tunnel.Trace, counters.Writer, _taps, depth: 0);
        _tracedStaged = new TracedPass(tunnel.Trace, counters.Writer, _taps, depth: 1);
        _reader = tunnel.Quiescence.Register();
        _flushStaged = peer => FlushStaged(peer, keepalive: false);
        _thread = new Thread(Run) { Name = name, IsBackground = true };
    }

    /// <summary>Gets the longest pass so far, in nanoseconds: how long a packet may have waited for its worker.</summary>
    public long LongestPass => Volatile.Read(ref _longestPass);

    /// <summary>Gets the thread's name.</summary>
    public string Name => _thread.Name ?? string.Empty;

    /// <summary>Gets how many passes the thread has made: what shows that it still moves.</summary>
    public long Passes => Volatile.Read(ref _passes);

    /// <summary>Gets how long ago the worker was started, in nanoseconds.</summary>
    public long Age => Volatile.Read(ref _started) is > 0 and long started ? _tunnel.Now() - started : 0;

    /// <summary>Gets how long the worker has slept so far, in nanoseconds: what is missing from its life is load.</summary>
    public long Asleep => Volatile.Read(ref _asleep);

    /// <summary>Gets or sets the inner port's MTU, which caps padding.</summary>
    public int Mtu
    {
        get => _outbound.Mtu;
        set => _outbound.Mtu = value;
    }

    /// <summary>Gets the processor that the thread keeps to, or null where the kernel chooses.</summary>
    public int? Cpu { get; init; }

    /// <summary>Starts the thread.</summary>
    public void Start()
    {
        Volatile.Write(ref _started, _tunnel.Now());
        _thread.Start();
    }

    /// <summary>Has the worker send what waits for a peer; any thread.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="keepalive">Whether to send an empty packet when nothing waits.</param>
    public void Flush(Peer peer, bool keepalive)
    {
        _flushes.Enqueue((peer, keepalive));
        _wake.Set();
    }

    /// <summary>Has the worker make a pass; any thread.</summary>
    public void Wake() => _wake.Set();

    /// <summary>
    /// Has the worker stop, and before it does take in what waits in its ports, as long as that takes and at most for a while: traffic goes on coming. Any thread;
    /// <see cref="Dispose"/> waits for it.
    /// </summary>
    /// <param name="patience">How long at most.</param>
    public void Finish(TimeSpan patience)
    {
        Volatile.Write(ref _finishUntil, _tunnel.Now() + ((long)patience.TotalMicroseconds * 1000));
        _stopping = true;
        _wake.Set();
    }

    /// <summary>Stops the thread and waits for it; packets it had received are sent first.</summary>
    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        _member?.Dispose();
        _reader.Dispose();
        _wake.Dispose();
        _stagedBytes.Dispose();
        (_aead as IDisposable)?.Dispose();
    }

    /// <summary>One pass over both ports, for the worker's own loop and for tests without a thread.</summary>
    /// <returns>Packets received.</returns>
    internal int Pass()
    {
        _reader.Enter();
        _now = _tunnel.Now();
        while (_flushes.TryDequeue(out (Peer Peer, bool Keepalive) flush))
        {
            FlushStaged(flush.Peer, flush.Keepalive);
        }

        int received = PumpInner() + PumpOuter();
        _reader.Exit();
        return received;
    }

    private void Run()
    {
        if (Cpu is { } cpu)
        {
            // One that went offline since it was chosen: the kernel chooses then.
            _ = CpuAffinity.Pin(cpu);
        }

        Span<int> descriptors = stackalloc int[2 * IPort.MaxPollDescriptors];
        int count = _inner.GetPollDescriptors(descriptors);
        count += _outer.GetPollDescriptors(descriptors[count..]);
        pollfd* polled = stackalloc pollfd[(2 * IPort.MaxPollDescriptors) + 1];
        for (int i = 0; i < count; i++)
        {
            polled[i] = new pollfd { fd = descriptors[i], events = Definitions.POLLIN };
        }

        polled[count] = new pollfd { fd = _wake.Descriptor, events = Definitions.POLLIN };
        long began = 0;
        while (!_stopping)
        {
            int received = Pass();
            Volatile.Write(ref _passes, _passes + 1);
            if (received > 0)
            {
                long pass = began == 0 ? 0 : _now - began;
                began = _now;
                if (pass > _longestPass)
                {
                    Volatile.Write(ref _longestPass, pass);
                }
            }
            else
            {
                began = 0;
            }

            if (StaysAwake(received))
            {
                continue;
            }

            _ = LibC.ppoll(polled, (nuint)count + 1, null);
            Volatile.Write(ref _asleep, _asleep + (_tunnel.Now() - _now));
            TakeWake(polled + count);
            if (IsBroken(polled, count))
            {
                return;
            }
        }

        TakeRest();
    }

    // What the kernel has handed out is nobody else's any more, so it is passed on even where there is no time; each pass brings more, which may hold a rest again.
    internal void TakeRest()
    {
        bool waits = _finishUntil != long.MinValue;
        for (int late = 0; late < MostLatePasses && (waits || _inner.Holds || _outer.Holds);)
        {
            waits = Pass() > 0 && waits && _now < _finishUntil;
            late += waits ? 0 : 1;
        }
    }

    // An error on a TUN descriptor means that its interface is gone: the device is told by its own watch, the worker rests.
    private bool IsBroken(pollfd* polled, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if ((polled[i].revents & (Definitions.POLLNVAL | Definitions.POLLHUP)) != 0
                || ((polled[i].revents & Definitions.POLLERR) != 0 && _inner.Gone))
            {
                while (!_stopping)
                {
                    _ = LibC.ppoll(polled + count, 1, null);
                    Volatile.Write(ref _passes, _passes + 1);
                    TakeWake(polled + count);
                }

                return true;
            }
        }

        return false;
    }

    private void TakeWake(pollfd* polled)
    {
        if ((polled->revents & Definitions.POLLIN) != 0)
        {
            _wake.Reset();
        }
    }

    private bool IsTraced(bool outward) =>
        Observation.On && (_taps.Set is not null || (outward ? TunnelTrace.PacketOutOn : TunnelTrace.PacketInOn));

    private int PumpInner()
    {
        int received = _inner.Receive(_fromInner);
        if (received > 0)
        {
            if (Observation.On)
            {
                _counters.CountPort(PortFlow.InnerReceived, received, _fromInner.Bytes());
            }

            if (IsTraced(outward: true))
            {
                _traced.Outward(_fromInner, _outbound, _outer, _now, _flushStaged);
            }
            else
            {
                _outbound.Route(_fromInner, _now, _flushStaged);
                _outbound.Seal(_fromInner, _now);
                _outer.Send(_fromInner);
            }

            Account(_fromInner, outward: true);
            _fromInner.Clear();
        }

        return received;
    }

    private int PumpOuter()
    {
        if (_full >= ShareAfter && _member is { HasHelp: true } member && !IsTraced(outward: false))
        {
            return PumpShared(member);
        }

        int received = _outer.Receive(_fromOuter);
        _full = received == Burst.Capacity && _outer.MoreWaiting ? _full + 1 : Math.Min(_full, 0);
        if (received > 0)
        {
            if (Observation.On)
            {
                _counters.CountPort(PortFlow.OuterReceived, received, _fromOuter.Bytes());
            }

            if (IsTraced(outward: false))
            {
                _traced.Inward(_fromOuter, _inbound, _inner, _now);
            }
            else
            {
                _inbound.Open(_fromOuter, _now);
                _inner.Send(_fromOuter);
            }

            Account(_fromOuter, outward: false);
            _fromOuter.Clear();
        }

        return received;
    }

    private void Account(Burst burst, bool outward)
    {
        if (!Observation.On)
        {
            return;
        }

        // Most bursts lose nothing and hold nothing but sealed packets.
        int sent = burst.CountSealed();
        long bytes = burst.Bytes();
        if (sent != burst.Count)
        {
            (sent, bytes) = AccountEach(burst);
        }

        if (outward)
        {
            _counters.CountPort(PortFlow.OuterSent, sent, bytes);
            _counters.CountOut(sent, bytes - (sent * DataMessage.Overhead));
        }
        else
        {
            _counters.CountIn(sent, bytes);
        }
    }

    private (int Sent, long Bytes) AccountEach(Burst burst)
    {
        int sent = 0;
        long bytes = 0;
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Dropped)
            {
                DropReason reason = burst.Reason[i];
                _counters.CountDrop(reason, 1, burst.Length[i]);
                Peer? peer = burst.Keypair[i]?.Peer ?? burst.Peer[i];
                peer?.Drops.Count(_counters.Writer, reason, 1, burst.Length[i]);
                _tunnel.Trace.Drop(peer, reason, 1, burst.Length[i], _counters.Writer);
            }
            else if (burst.Keypair[i] is not null)
            {
                sent++;
                bytes += burst.Length[i];
            }
        }

        return (sent, bytes);
    }
}
