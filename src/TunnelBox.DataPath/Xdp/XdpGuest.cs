using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// A worker's socket on a queue that is another worker's: the program gives it what its sessions, or its inner flows, bring in by that queue. It only receives, and
/// the frames go back to the queue's own worker by a ring, since a fill ring has one writer.
/// </summary>
internal sealed unsafe class XdpGuest : IDisposable
{
    private readonly Arena _arena;
    private readonly XdpSocket _socket;
    private readonly WakeEvent _home;
    private readonly int _ifindex;
    private readonly int _enough;
    private readonly ulong[] _held;
    private int _heldCount;

    /// <summary>Takes a bound socket that has an RX ring alone.</summary>
    /// <param name="arena">The memory.</param>
    /// <param name="socket">The socket, owned from now on.</param>
    /// <param name="ifindex">The device: where received datagrams say they arrived.</param>
    /// <param name="frames">How many frames the queue has to receive into.</param>
    /// <param name="home">Wakes the queue's own worker, which may sleep while this one receives all there is.</param>
    public XdpGuest(Arena arena, XdpSocket socket, int ifindex, int frames, WakeEvent home)
    {
        _arena = arena;
        _socket = socket;
        _ifindex = ifindex;
        _home = home;
        _enough = frames / 4;
        _held = new ulong[Math.Max(Burst.Capacity, _enough)];
        Returns = new FrameReturns(frames);
    }

    /// <summary>Gets the frames on their way back.</summary>
    public FrameReturns Returns { get; }

    /// <summary>Gets the socket.</summary>
    public XdpSocket Socket => _socket;

    /// <summary>Gets a value indicating whether frames wait in the RX ring; from any thread.</summary>
    public bool MoreWaiting => _socket.Receive.Used > 0;

    /// <summary>Gets how many frames were handed out, or are on their way back; from any thread.</summary>
    public int Held => Volatile.Read(ref _heldCount) + Returns.Waiting;

    /// <summary>Gives the frames handed out before back to the queue's own worker.</summary>
    public void Recycle()
    {
        if (_heldCount > 0)
        {
            Returns.Give(_held.AsSpan(0, _heldCount));
            Volatile.Write(ref _heldCount, 0);
        }

        // Fewer wait until it comes by itself: the kernel has the others to receive into.
        if (Returns.Waiting >= _enough)
        {
            _home.Set();
        }
    }

    /// <summary>Appends received datagrams to a burst; what was handed out since <see cref="Recycle"/> stays valid.</summary>
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

    /// <summary>The same with frames as they are, Ethernet header first.</summary>
    /// <param name="burst">A burst that may have room.</param>
    public void ReceiveFrames(Burst burst)
    {
        XdpRing ring = _socket.Receive;
        int count = (int)Math.Min(ring.Ready, (uint)Math.Min(Burst.Capacity - burst.Count, _held.Length - _heldCount));
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

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
