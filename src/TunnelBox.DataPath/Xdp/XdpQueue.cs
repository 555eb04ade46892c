using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// One queue of a device with its own frames: those to receive into go round between the fill and the RX ring, those to
/// transmit between the TX and the completion ring, so that none of either kind can run out for the other's sake.
/// </summary>
internal sealed unsafe class XdpQueue : IDisposable
{
    /// <summary>Where a datagram's payload lies in a frame to be transmitted: behind room for the headers, on a cache line.</summary>
    public const int PayloadOffset = 128;

    /// <summary>Largest payload that fits into a frame.</summary>
    public const int LargestPayload = Arena.ChunkSize - PayloadOffset;

    private const int KickAttempts = 8;

    private readonly Arena _arena;
    private readonly XdpSocket _socket;
    private readonly int _ifindex;
    private readonly ulong[] _free;
    private readonly ulong[] _held = new ulong[Burst.Capacity];
    private readonly int _receiveFrames;
    private int _freeCount;
    private int _heldCount;
    private uint _added;
    private int _sendError;
    private long _refused;
    private bool _stalled;

    /// <summary>Takes a bound socket and the frames of its own; the first half of them the socket has offered the kernel to receive into.</summary>
    /// <param name="arena">The memory.</param>
    /// <param name="socket">The socket, owned from now on.</param>
    /// <param name="ifindex">The device: where received datagrams say they arrived.</param>
    /// <param name="firstChunk">The first chunk that is its own.</param>
    /// <param name="frames">Frames of each kind, at most the entries of a ring; so twice as many chunks.</param>
    public XdpQueue(Arena arena, XdpSocket socket, int ifindex, int firstChunk, int frames)
    {
        _arena = arena;
        _socket = socket;
        _ifindex = ifindex;
        _receiveFrames = frames;
        _free = new ulong[frames];
        for (int i = 0; i < frames; i++)
        {
            _free[_freeCount++] = (ulong)(firstChunk + frames + i) * Arena.ChunkSize;
        }
    }

    /// <summary>Gets the socket.</summary>
    public XdpSocket Socket => _socket;

    /// <summary>Gets the memory of its frames.</summary>
    public Arena Arena => _arena;

    /// <summary>Gets how many frames there are to receive into.</summary>
    public int FramesToReceive => _receiveFrames;

    /// <summary>Gets the sockets of other workers on this queue, which give its frames back here.</summary>
    public List<XdpGuest> Guests { get; } = [];

    /// <summary>Gets or sets a value indicating whether each pass has the kernel poll the device.</summary>
    public bool PollsDevice { get; set; }

    /// <summary>Gets a value indicating whether frames wait in the RX ring.</summary>
    public bool MoreWaiting => _socket.Receive.Used > 0;

    /// <summary>Gets a value indicating whether both directions are empty; from any thread.</summary>
    public bool IsIdle => _socket.Receive.Used == 0 && _socket.Transmit.Used == 0 && !Guests.Exists(static guest => guest.MoreWaiting);

    /// <summary>Gets 0, or −errno of the last send: what cannot be mended by trying again. From any thread.</summary>
    public int SendError => Volatile.Read(ref _sendError);

    /// <summary>Gets how many frames the device threw away instead of transmitting them; from any thread.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <summary>Gets what changes whenever the kernel takes a frame to transmit or gives one back; from any thread.</summary>
    public ulong Progress => (ulong)_socket.Transmit.Consumed + _socket.Completion.Produced;

    /// <summary>
    /// Gets how many frames wait for the kernel or the card: those it has not taken, and when none is left for us, those it has not
    /// given back. Until then it may give them back when it likes. From any thread.
    /// </summary>
    public int Waiting => Volatile.Read(ref _freeCount) == 0 ? _free.Length - (int)_socket.Completion.Used : (int)_socket.Transmit.Used;

    /// <summary>Reads where all frames are; from any thread, so only nearly right while frames move.</summary>
    /// <param name="worker">The worker that the queue is of.</param>
    /// <returns>The places.</returns>
    public XdpQueueState Read(int worker) => new(
        (int)_socket.Queue,
        _socket.Mode,
        worker,
        _receiveFrames + _free.Length,
        Volatile.Read(ref _freeCount),
        Volatile.Read(ref _heldCount) + (int)Volatile.Read(ref _added) + Guests.Sum(static guest => guest.Held),
        (int)_socket.Fill.Used,
        (int)_socket.Receive.Used + Guests.Sum(static guest => (int)guest.Socket.Receive.Used),
        (int)_socket.Transmit.Used,
        (int)_socket.Completion.Used)
    {
        ModeReason = _socket.ModeReason,
        Statistics = ReadStatistics(),
    };

    /// <summary>Reads what the kernel dropped at this queue's sockets; from any thread.</summary>
    /// <returns>Counts since they were opened.</returns>
    public xdp_statistics ReadStatistics()
    {
        xdp_statistics all = _socket.ReadStatistics();
        foreach (XdpGuest guest in Guests)
        {
            // Rings to fill and to transmit are the first socket's.
            xdp_statistics each = guest.Socket.ReadStatistics();
            all.rx_dropped += each.rx_dropped;
            all.rx_ring_full += each.rx_ring_full;
        }

        return all;
    }

    /// <summary>Has the kernel look at a TX ring that nobody may come back to; from any thread.</summary>
    public void Nudge()
    {
        if (_socket.Transmit.Used > 0 && _socket.Transmit.NeedsWakeup)
        {
            _ = _socket.Kick();
        }
    }

    /// <summary>Gives the frames handed out before back to the kernel.</summary>
    public void Recycle()
    {
        XdpRing fill = _socket.Fill;
        if (_heldCount > 0)
        {
            // There is room: the ring has an entry for every frame.
            for (int i = 0; i < _heldCount; i++)
            {
                fill.Frame((uint)i) = _held[i];
            }

            fill.Submit((uint)_heldCount);
            _heldCount = 0;
        }

        foreach (XdpGuest guest in Guests)
        {
            guest.Returns.MoveTo(fill);
        }

        if (fill.NeedsWakeup || PollsDevice)
        {
            _socket.WakeFill();
        }
    }

    /// <summary>Appends received datagrams to a burst; to be called after <see cref="Recycle"/>.</summary>
    /// <param name="burst">A burst that may have room.</param>
    public void Receive(Burst burst)
    {
        int first = burst.Count;
        ReceiveFrames(burst);
        for (int i = first; i < burst.Count; i++)
        {
            int room = (int)(burst.Data[i] & (Arena.ChunkSize - 1));
            FrameReader.Read(burst, i, (byte*)burst.Data[i], room, burst.Length[i], _ifindex);
        }
    }

    /// <summary>Appends received frames to a burst as they are, Ethernet header first; to be called after <see cref="Recycle"/>.</summary>
    /// <param name="burst">A burst that may have room.</param>
    public void ReceiveFrames(Burst burst)
    {
        XdpRing ring = _socket.Receive;
        int count = (int)Math.Min(ring.Ready, (uint)Math.Min(Burst.Capacity - burst.Count, Burst.Capacity - _heldCount));
        for (int i = 0; i < count; i++)
        {
            xdp_desc frame = ring.Descriptor((uint)i);
            int index = burst.Count++;
            _held[_heldCount++] = frame.addr & ~(ulong)(Arena.ChunkSize - 1);

            // What the kernel names and is not in the memory is a frame without a header.
            bool isHeld = _arena.Holds(frame.addr, frame.len);
            burst.Data[index] = (nint)(_arena.Address + (isHeld ? frame.addr : 0));
            burst.Length[index] = isHeld ? (int)frame.len : 0;
        }

        ring.Release((uint)count);
    }

    /// <summary>Takes the frames back that were transmitted.</summary>
    public void Reclaim()
    {
        XdpRing done = _socket.Completion;
        uint count = done.Ready;
        _stalled &= count == 0;
        ulong[] free = _free;
        int at = _freeCount;
        for (uint i = 0; i < count && (uint)at < (uint)free.Length; i++)
        {
            free[at++] = done.Frame(i) & ~(ulong)(Arena.ChunkSize - 1);
        }

        _freeCount = at;
        done.Release(count);
    }

    /// <summary>Takes a frame to fill.</summary>
    /// <param name="chunk">The frame, for <see cref="Add"/>.</param>
    /// <returns>Where its payload is to go, or null when none is free.</returns>
    public byte* Take(out ulong chunk)
    {
        if (_freeCount == 0)
        {
            chunk = 0;
            return null;
        }

        chunk = _free[--_freeCount];
        return _arena.Address + chunk + PayloadOffset;
    }

    /// <summary>Gives the kernel a moment to transmit what was added, since every frame is under way.</summary>
    public void AwaitFrame()
    {
        Flush();
        Wait();
    }

    /// <summary>Gives back a frame that was taken and is not needed.</summary>
    /// <param name="chunk">The frame.</param>
    public void PutBack(ulong chunk) => _free[_freeCount++] = chunk;

    /// <summary>Puts a filled frame into the TX ring; <see cref="Flush"/> shows it to the kernel.</summary>
    /// <param name="chunk">The frame.</param>
    /// <param name="header">Bytes before the payload's place.</param>
    /// <param name="payload">Bytes from there on.</param>
    public void Add(ulong chunk, int header, int payload)
    {
        ref xdp_desc frame = ref _socket.Transmit.Descriptor(_added++);
        frame.addr = chunk + PayloadOffset - (uint)header;
        frame.len = (uint)(header + payload);
        frame.options = 0;
    }

    /// <summary>Has the kernel transmit what was added.</summary>
    public void Flush()
    {
        if (_added > 0)
        {
            _socket.Transmit.Submit(_added);
            _added = 0;
        }

        Kick();
    }

    /// <summary>Has the kernel go on with what it left in the TX ring.</summary>
    public void Kick()
    {
        XdpRing ring = _socket.Transmit;
        uint left = ring.Used;
        for (int attempt = 0; attempt < KickAttempts && left > 0 && ring.NeedsWakeup; attempt++)
        {
            int error = _socket.Kick();
            uint before = left;
            left = ring.Used;
            if (error == -Definitions.EBUSY && _socket.Mode != XdpMode.ZeroCopy)
            {
                // In copy mode this says that one frame was taken and the device dropped it (__xsk_generic_xmit of net/xdp/xsk.c).
                Volatile.Write(ref _refused, _refused + 1);
            }

            bool passing = error is >= 0 or -Definitions.EAGAIN or -Definitions.EBUSY or -Definitions.ENOBUFS or -Definitions.ENETDOWN;
            Volatile.Write(ref _sendError, passing ? 0 : error);
            if (!passing)
            {
                return;
            }

            if (left == before)
            {
                // No progress: the socket's buffer or the device is full.
                if (attempt > 0)
                {
                    return;
                }

                Wait();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    // A moment that brought no frame back is not given again before one came: a device that does not transmit must not stop the
    // worker, which also receives.
    private void Wait()
    {
        if (!_stalled)
        {
            _stalled = true;
            _socket.WaitWritable();
        }

        Reclaim();
    }
}
