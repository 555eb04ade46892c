using TunnelBox.Visibility;

namespace TunnelBox.DataPath;

/// <content>
/// What one session brings may be more than one thread can open. A worker whose bursts stay full offers them to the others as blocks, opens
/// what nobody takes, and delivers all of them in the order in which they arrived.
/// </content>
public sealed unsafe partial class Worker
{
    /// <summary>Full bursts in a row, each with more waiting, until a worker counts as one that needs help: about half a millisecond of work.</summary>
    internal const int FullBursts = 16;

    // A pass must end now and then: keys are wiped, and what waits for a session is sent, between passes.
    private const int MostBlocks = 64;

    // Packets that go the other way wait for so many blocks at most.
    private const int BlocksBetweenSeals = 2;

    // Who has just helped looks for so long, in nanoseconds, whether there is more: sleeping and waking cost as much.
    private const long Linger = 50_000;

    // A block is opened in 30 to 100 µs. Whoever needs longer has lost its processor: there is none to spare, and help only holds the owner up.
    private const long LongestWait = 300_000;
    private const int MostPenalties = 10;

    private WorkerTeam.Member? _member;
    private long _helpedAt = long.MinValue / 2;
    private long _helped;
    private long _shared;
    private int _full;
    private int _penalties;

    /// <summary>Gets the team whose members open bursts for each other; none where left out.</summary>
    public WorkerTeam? Team
    {
        get;
        init
        {
            field = value;
            _member = value?.Join(_wake);
        }
    }

    /// <summary>Gets the full bursts in a row after which the worker takes help.</summary>
    internal int ShareAfter { get; init; } = FullBursts;

    /// <summary>Gets how many blocks of other workers this one has opened.</summary>
    public long Helped => Volatile.Read(ref _helped);

    /// <summary>Gets how many blocks of its own this worker has offered to others.</summary>
    public long Shared => Volatile.Read(ref _shared);

    /// <summary>Opens one block of another worker.</summary>
    /// <returns>Whether there was one.</returns>
    internal bool Help()
    {
        if (_member?.Take() is not { } block)
        {
            return false;
        }

        _aead.Open(block.Jobs.Span);
        block.Finish();
        _helpedAt = _tunnel.Now();
        Volatile.Write(ref _helped, _helped + 1);
        return true;
    }

    // Returns whether the worker should look again instead of sleeping.
    private bool StaysAwake(int received)
    {
        if (_member is not { } member)
        {
            return received > 0;
        }

        if (received >= Burst.Capacity)
        {
            member.Work();
            return true;
        }

        member.Idle();
        if (Help() || received > 0)
        {
            return true;
        }

        if (_now - _helpedAt < Linger)
        {
            Thread.SpinWait(20);
            return true;
        }

        return !member.FallAsleep();
    }

    private int PumpShared(WorkerTeam.Member member)
    {
        OpeningRing ring = member.Ring;
        int received = 0;
        int blocks = 0;
        int sinceSeal = 0;
        var patience = default(SpinWait);
        long waitsSince = 0;
        bool stalled = false;
        bool more = true;
        while (true)
        {
            if (ring.Count > 0 && ring.Oldest.IsOpened)
            {
                if (waitsSince != 0)
                {
                    stalled |= _tunnel.Now() - waitsSince > LongestWait;
                    more &= !stalled;
                    waitsSince = 0;
                    patience.Reset();
                }

                Deliver(ring);
                if (++sinceSeal == BlocksBetweenSeals)
                {
                    sinceSeal = 0;
                    _ = PumpInner();
                }
            }
            else if (more && ring.Untaken < member.Most && ring.Count < WorkerTeam.Depth)
            {
                int got = TakeIn(ring.Next, isFirst: blocks == 0);
                received += got;
                more = got == Burst.Capacity && ++blocks < MostBlocks;
                if (got > 0)
                {
                    ring.Offer();
                    Volatile.Write(ref _shared, _shared + 1);
                    member.CallHelp();
                }
            }
            else if (ring.Take() is { } block)
            {
                _aead.Open(block.Jobs.Span);
                block.Finish();
            }
            else if (ring.Count == 0)
            {
                Judge(stalled);
                return received;
            }
            else
            {
                // The oldest block is being opened this moment. Its opener may have lost its processor: then this one makes room.
                waitsSince = waitsSince == 0 ? _tunnel.Now() : waitsSince;
                if (PumpInner() == 0)
                {
                    patience.SpinOnce(sleep1Threshold: -1);
                }
            }
        }
    }

    // Help that held the owner up is asked for again only after more and more bursts without it, up to 16,384.
    private void Judge(bool stalled)
    {
        if (stalled)
        {
            _penalties = Math.Min(_penalties + 2, MostPenalties);
            _full = -(ShareAfter << _penalties);
        }
        else
        {
            _full = _outer.MoreWaiting ? _full : 0;
            _penalties -= _penalties > 0 ? 1 : 0;
        }
    }

    private int TakeIn(OpeningBlock block, bool isFirst)
    {
        Burst burst = block.Burst;
        int got = isFirst ? _outer.Receive(burst) : _outer.ReceiveMore(burst);
        if (got > 0)
        {
            _now = _tunnel.Now();
            if (Observation.On)
            {
                _counters.CountPort(PortFlow.OuterReceived, got, burst.Bytes());
            }

            _inbound.Classify(burst, block.Jobs, _now);
        }

        return got;
    }

    private void Deliver(OpeningRing ring)
    {
        OpeningBlock block = ring.Oldest;
        if (block.Jobs.Count > 0)
        {
            _inbound.Accept(block.Burst, block.Jobs, _now);
        }

        _inner.Send(block.Burst);
        Account(block.Burst, outward: false);
        ring.Release();
    }
}
