using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// One queue of a device with its own frames: those to receive into go round between the fill and the RX ring, those to
/// transmit between the TX and the completion ring, so that none of either kind can run out for the other's sake.
/// </summary>
internal sealed unsafe partial class XdpQueue : IDisposable
{
    /// <summary>Where a datagram's payload lies in a frame to be transmitted: behind room for the headers, on a cache line.</summary>
    public const int PayloadOffset = 128;

    /// <summary>Largest payload that fits into a frame of one chunk.</summary>
    public const int LargestPayload = Arena.ChunkSize - PayloadOffset;

    /// <summary>Bytes from which on taking a frame over costs less than copying its packet.</summary>
    public const int WorthTakingOver = 256;

    private const ulong LastByte = Arena.ChunkSize - Burst.Tailroom;

    private readonly Arena _arena;
    private readonly XdpSocket _socket;
    private readonly FrameChains? _chains;
    private readonly XdpPool? _pool;
    private readonly byte _owner;
    private readonly int _ifindex;
    private readonly ulong[] _free;
    private readonly ulong[] _held;
    private readonly int _receiveFrames;
    private int _freeCount;
    private int _heldCount;
    private uint _added;
    private int _sendError;
    private long _refused;
    private long _direct;
    private long _copied;
    private bool _stalled;

    /// <summary>Takes a bound socket and the frames of its own; those to receive into the socket has offered the kernel.</summary>
    /// <param name="arena">The memory.</param>
    /// <param name="socket">The socket, owned from now on.</param>
    /// <param name="ifindex">The device: where received datagrams say they arrived.</param>
    /// <param name="frames">Its frames, rented from the memory; of each kind at most the entries of a ring.</param>
    public XdpQueue(Arena arena, XdpSocket socket, int ifindex, FrameSet frames)
    {
        _arena = arena;
        _socket = socket;
        _ifindex = ifindex;
        _owner = frames.Owner;
        _receiveFrames = frames.OfEach;
        _free = frames.Transmitting.ToArray();
        _freeCount = _free.Length;

        // What the kernel gives beyond all that it was given is not believed.
        _held = new ulong[_receiveFrames];
        _chains = socket.TakesChains ? new FrameChains() : null;
        arena.Name(_owner, this);
    }

    /// <summary>Takes a further socket on a queue that several tunnels share, and frames of its own to transmit; what it receives lies in the pool's.</summary>
    /// <param name="pool">What the tunnels share.</param>
    /// <param name="socket">The socket, owned from now on.</param>
    /// <param name="ifindex">The device.</param>
    /// <param name="frames">Its frames, all of them to transmit.</param>
    public XdpQueue(XdpPool pool, XdpSocket socket, int ifindex, FrameSet frames)
    {
        _pool = pool;
        _arena = pool.Arena;
        _socket = socket;
        _ifindex = ifindex;
        _owner = frames.Owner;
        _receiveFrames = pool.Frames;
        _free = [.. frames.Receiving, .. frames.Transmitting];
        _freeCount = _free.Length;
        _held = new ulong[_receiveFrames];
        _arena.Name(_owner, this);
        pool.Enter(_owner, this, _free.Length);
    }

    /// <summary>Gets by which name frames in several chunks are dropped that have no end or are too large.</summary>
    public DropReason BadChain { get; init; } = DropReason.InXdpBadChain;

    /// <summary>Gets or sets a value indicating whether the device finishes the checksums of datagrams.</summary>
    public bool DeviceSums { get; set; }

    /// <summary>Gets how many frames can be taken to be filled.</summary>
    public int Free => _freeCount;

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
    public ulong Progress => (ulong)_socket.Transmit.Consumed + (_pool is null ? _socket.Completion.Produced : (ulong)_pool.Returned(_owner));

    /// <summary>
    /// Gets how many frames wait for the kernel or the card: those it has not taken, and when none is left for us, those it has not
    /// given back. Until then it may give them back when it likes. From any thread.
    /// </summary>
    public int Waiting => Volatile.Read(ref _freeCount) == 0
        ? _free.Length - (_pool is null ? (int)_socket.Completion.Used : _pool.Waiting(_owner))
        : (int)_socket.Transmit.Used;

    /// <summary>Gets how many received frames its worker has, or will find in the RX ring; from any thread.</summary>
    internal (int Held, int Ready) Received => (Volatile.Read(ref _heldCount), (int)_socket.Receive.Used);

    /// <summary>Reads where all frames are; from any thread, so only nearly right while frames move.</summary>
    /// <param name="worker">The worker that the queue is of.</param>
    /// <returns>The places.</returns>
    public XdpQueueState Read(int worker)
    {
        // One that moved from a place not yet read to one read before is in none of them, as if it were away; one that moved the other way is in two, and looked for again.
        XdpQueueState state = ReadOnce(worker);
        for (int again = 0; again < 16 && state.InPlaces > state.Total; again++)
        {
            state = ReadOnce(worker);
        }

        return state;
    }

    private XdpQueueState ReadOnce(int worker) => _pool is not null ? ReadShared(_pool, worker) : new(
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
        Direct = Volatile.Read(ref _direct),
        Copied = Volatile.Read(ref _copied),
    };

    /// <summary>Reads what the kernel dropped at this queue's sockets; from any thread.</summary>
    /// <returns>Counts since they were opened.</returns>
    public xdp_statistics ReadStatistics()
    {
        xdp_statistics all = _socket.ReadStatistics();
        if (_pool is not null)
        {
            // The fill ring is everybody's; what this socket missed by it, it has dropped.
            all.rx_fill_ring_empty_descs = Math.Min(all.rx_fill_ring_empty_descs, all.rx_dropped);
        }

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
        if (_socket.Transmit.Used > 0 && NeedsKick)
        {
            _ = _socket.Kick();
        }
    }

    /// <summary>Gives the frames handed out before back to the kernel.</summary>
    public void Recycle()
    {
        if (_pool is not null)
        {
            _pool.Fill(_held.AsSpan(0, _heldCount));
            Volatile.Write(ref _heldCount, 0);
            return;
        }

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
    /// <param name="isMore">Whether what was handed out since <see cref="Recycle"/> must stay valid.</param>
    public void Receive(Burst burst, bool isMore = false)
    {
        int first = burst.Count;
        ReceiveFrames(burst, isMore);
        for (int i = first; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue)
            {
                int room = (int)(burst.Data[i] & (Arena.ChunkSize - 1));
                FrameReader.Read(burst, i, (byte*)burst.Data[i], room, burst.Length[i], _ifindex);
            }
            else
            {
                burst.Ecn[i] = 0;
                burst.From[i] = default;
                burst.To[i] = default;
            }
        }
    }

    /// <summary>Appends received frames to a burst as they are, Ethernet header first; to be called after <see cref="Recycle"/>.</summary>
    /// <param name="burst">A burst that may have room.</param>
    /// <param name="isMore">As with <see cref="Receive"/>.</param>
    public void ReceiveFrames(Burst burst, bool isMore = false)
    {
        // What several bursts hold must leave the kernel enough to receive into.
        int most = isMore ? _held.Length / 4 : _held.Length;
        XdpRing ring = _socket.Receive;
        uint ready = ring.Ready;
        uint at = 0;
        int owner = _owner << 16;
        burst.HasFrames |= ready > 0;
        while (at < ready && burst.Count < Burst.Capacity && _heldCount < most)
        {
            xdp_desc frame = ring.Descriptor(at);
            bool isCopied = (frame.options & Definitions.XDP_PKT_CONTD) != 0 || (_chains is not null && (frame.addr & (Arena.ChunkSize - 1)) + frame.len > LastByte);
            if (isCopied && isMore)
            {
                // Where such frames are put together there is room for one burst's.
                break;
            }

            int index = burst.Count++;
            if (isCopied)
            {
                // In pieces, or without room behind it for what sealing appends.
                at += PutTogether(burst, index, ring, at, ready);
                continue;
            }

            at++;
            _held[_heldCount++] = frame.addr & ~(ulong)(Arena.ChunkSize - 1);

            // What the kernel names and is not in the memory is a frame without a header.
            bool isHeld = _arena.Holds(frame.addr, frame.len);
            burst.Data[index] = (nint)(_arena.Address + (isHeld ? frame.addr : 0));
            burst.Length[index] = isHeld ? (int)frame.len : 0;
            burst.Frame[index] = owner | _heldCount;
        }

        ring.Release(at);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_pool is not null)
        {
            LeaveShared(_pool);
            return;
        }

        _socket.Dispose();
        _chains?.Dispose();
        _arena.Return(_owner, _socket.Mode == XdpMode.ZeroCopy);
    }

    // The kernel shows only whole frames, so one whose end is not there has none. Its chunks go back with the others.
    private uint PutTogether(Burst burst, int index, XdpRing ring, uint at, uint ready)
    {
        byte* frame = _chains is null ? null : _chains.Begin(index);
        int length = 0;
        bool fits = frame is not null;
        bool isWhole = false;
        uint pieces = 0;
        while (!isWhole && at + pieces < ready && _heldCount < _held.Length)
        {
            xdp_desc piece = ring.Descriptor(at + pieces);
            _held[_heldCount++] = piece.addr & ~(ulong)(Arena.ChunkSize - 1);
            fits = fits && FrameChains.Takes(_arena, in piece, (int)pieces, length);
            if (fits)
            {
                byte* from = _arena.Address + piece.addr;
                if (pieces == 0)
                {
                    FrameChains.TakeHints(frame, from, (int)(piece.addr & (Arena.ChunkSize - 1)));
                }

                Unsafe.CopyBlockUnaligned(frame + length, from, piece.len);
                length += (int)piece.len;
            }

            pieces++;
            isWhole = (piece.options & Definitions.XDP_PKT_CONTD) == 0;
        }

        burst.Data[index] = (nint)(frame is null ? _arena.Address : frame);
        burst.Length[index] = length;
        burst.Frame[index] = 0;
        if (!fits || !isWhole)
        {
            burst.Drop(index, BadChain);
        }

        return pieces;
    }
}
