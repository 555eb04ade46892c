namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// What the sockets of several tunnels on one queue of a device have in common: the frames to receive into and the fill ring they go back by, and the
/// completion ring, which gives each its own frames back. Every call takes the lock once, a burst at a time; nobody waits for another tunnel's worker.
/// </summary>
internal sealed class XdpPool
{
    private readonly XdpQueue _first;
    private readonly XdpSocket _home;
    private readonly Lock _gate = new();
    private readonly Member?[] _members = new Member?[byte.MaxValue + 1];
    private readonly int[] _away = new int[byte.MaxValue + 1];

    /// <summary>Takes a queue whose own socket neither receives nor transmits anything.</summary>
    /// <param name="home">The queue, owned by the caller.</param>
    public XdpPool(XdpQueue home)
    {
        _first = home;
        _home = home.Socket;
    }

    /// <summary>Gets the memory.</summary>
    public Arena Arena => _first.Arena;

    /// <summary>Gets the queue's own socket.</summary>
    public XdpSocket Home => _home;

    /// <summary>Gets how many frames there are to receive into.</summary>
    public int Frames => _first.FramesToReceive;

    /// <summary>Gets how many of them the kernel has; from any thread.</summary>
    public int Filled => (int)_home.Fill.Used;

    /// <summary>Lets a tunnel's frames be known.</summary>
    /// <param name="owner">Whose they are in the arena.</param>
    /// <param name="queue">The tunnel's side of the queue.</param>
    /// <param name="frames">How many it can transmit.</param>
    public void Enter(byte owner, XdpQueue queue, int frames)
    {
        lock (_gate)
        {
            _members[owner] = new Member(queue, frames);
        }
    }

    /// <summary>Forgets a tunnel; its frames go back to the memory, at the latest when the kernel has given back the last of them.</summary>
    /// <param name="owner">Whose frames were known.</param>
    /// <param name="away">How many the kernel still has and will give back.</param>
    public void Leave(byte owner, int away)
    {
        lock (_gate)
        {
            away -= _members[owner]?.Count ?? 0;
            _members[owner] = null;
            _away[owner] = away;
            if (away <= 0)
            {
                Arena.Return(owner, byCard: false);
            }

            // Others' turns may be long to come.
            Sort();
        }
    }

    /// <summary>Gives frames back to the kernel to receive into, and wakes it where it waits for them.</summary>
    /// <param name="chunks">The frames, as chunks' offsets in the arena.</param>
    public void Fill(ReadOnlySpan<ulong> chunks)
    {
        XdpRing fill = _home.Fill;
        if (chunks.Length > 0)
        {
            lock (_gate)
            {
                // There is room: the ring has an entry for every frame.
                for (int i = 0; i < chunks.Length; i++)
                {
                    fill.Frame((uint)i) = chunks[i];
                }

                fill.Submit((uint)chunks.Length);
            }
        }

        if (fill.NeedsWakeup)
        {
            _home.WakeFill();
        }
    }

    /// <summary>Takes the frames back that a tunnel has transmitted.</summary>
    /// <param name="owner">The tunnel.</param>
    /// <param name="free">Receives them; there is room for all that are its own.</param>
    /// <returns>How many.</returns>
    public int Collect(byte owner, Span<ulong> free)
    {
        lock (_gate)
        {
            Sort();
            if (_members[owner] is not { } member)
            {
                return 0;
            }

            int count = Math.Min(member.Count, free.Length);
            member.Done.AsSpan(member.Count - count, count).CopyTo(free);
            member.Count -= count;
            return count;
        }
    }

    /// <summary>Tells how many transmitted frames a tunnel has not taken back yet; from any thread.</summary>
    /// <param name="owner">The tunnel.</param>
    /// <returns>How many.</returns>
    public int Waiting(byte owner)
    {
        lock (_gate)
        {
            Sort();
            return _members[owner]?.Count ?? 0;
        }
    }

    /// <summary>Tells how many frames of a tunnel were ever transmitted; from any thread.</summary>
    /// <param name="owner">The tunnel.</param>
    /// <returns>How many.</returns>
    public long Returned(byte owner)
    {
        lock (_gate)
        {
            Sort();
            return _members[owner]?.Returned ?? 0;
        }
    }

    /// <summary>Tells where received frames are; from any thread.</summary>
    /// <returns>Those that workers have, and those in RX rings.</returns>
    public (int Held, int Ready) Received()
    {
        lock (_gate)
        {
            (int held, int ready) = (0, 0);
            foreach (Member? member in _members)
            {
                (int holds, int finds) = member?.Queue.Received ?? default;
                held += holds;
                ready += finds;
            }

            return (held, ready);
        }
    }

    private void Sort()
    {
        XdpRing completion = _home.Completion;
        uint count = completion.Ready;
        for (uint i = 0; i < count; i++)
        {
            ulong chunk = completion.Frame(i) & ~(ulong)(Arena.ChunkSize - 1);

            byte owner = Arena.OwnerOf(chunk);
            if (_members[owner] is { } member)
            {
                if (member.Count < member.Done.Length)
                {
                    member.Done[member.Count++] = chunk;
                    member.Returned++;
                }
            }
            else if (_away[owner] > 0 && --_away[owner] == 0)
            {
                // The last frame of a tunnel that has left.
                Arena.Return(owner, byCard: false);
            }
        }

        completion.Release(count);
    }

    private sealed class Member(XdpQueue queue, int frames)
    {
        public XdpQueue Queue => queue;

        public ulong[] Done { get; } = new ulong[frames];

        public int Count { get; set; }

        public long Returned { get; set; }
    }
}
