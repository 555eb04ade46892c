using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>A queue whose device is only memory: the kernel's side of the four rings is played by the test.</summary>
internal sealed unsafe class MemoryQueue : IDisposable
{
    private const int RingBytes = 64 * 1024;
    private const int Headroom = 256 + Arena.Headroom;
    private readonly Arena _arena;
    private readonly FileDescriptor _memory;
    private readonly XdpRing _fill;
    private readonly XdpRing _completion;
    private readonly XdpRing _receive;
    private readonly XdpRing _transmit;

    public MemoryQueue(Arena arena, int entries, DropReason badChain = DropReason.InXdpBadChain)
    {
        _arena = arena;
        fixed (byte* name = "rings\0"u8)
        {
            _memory = new FileDescriptor(LibC.memfd_create(name, 0));
        }

        Assert.Equal(0, LibC.ftruncate(_memory.Value, 4 * RingBytes));
        FrameSet frames = arena.Rent(entries)!;
        XdpSocket socket = XdpSocket.OfRings(Map(0, entries, 8), Map(1, entries, 8), Map(2, entries, 16), Map(3, entries, 16));
        for (int i = 0; i < entries; i++)
        {
            socket.Fill.Frame((uint)i) = frames.Receiving[i];
        }

        socket.Fill.Submit((uint)entries);
        _fill = Map(0, entries, 8);
        _completion = Map(1, entries, 8);
        _receive = Map(2, entries, 16);
        _transmit = Map(3, entries, 16);
        Queue = new XdpQueue(arena, socket, 1, frames) { BadChain = badChain };
    }

    public XdpQueue Queue { get; }

    /// <summary>Frames for the kernel to receive into.</summary>
    public int Offered => (int)_fill.Ready;

    /// <summary>A frame arrives, in one chunk for each piece; the last one says that more is to come if so asked.</summary>
    public void Arrive(byte[][] pieces, bool withoutEnd = false, byte[]? before = null)
    {
        Assert.InRange((uint)pieces.Length, 1u, _fill.Ready);
        for (int i = 0; i < pieces.Length; i++)
        {
            ulong at = _fill.Frame((uint)i) + Headroom;
            pieces[i].CopyTo(new Span<byte>(_arena.Address + at, pieces[i].Length));
            if (i == 0)
            {
                before?.CopyTo(new Span<byte>(_arena.Address + at - before.Length, before.Length));
            }

            _receive.Descriptor((uint)i) = new xdp_desc
            {
                addr = at,
                len = (uint)pieces[i].Length,
                options = i < pieces.Length - 1 || withoutEnd ? Definitions.XDP_PKT_CONTD : 0,
            };
        }

        _fill.Release((uint)pieces.Length);
        _receive.Submit((uint)pieces.Length);
    }

    /// <summary>What was to be transmitted is, and comes back.</summary>
    public List<(ulong Address, byte[] Bytes, uint Options)> Leave()
    {
        var left = new List<(ulong, byte[], uint)>();
        uint count = _transmit.Ready;
        for (uint i = 0; i < count; i++)
        {
            xdp_desc sent = _transmit.Descriptor(i);
            Assert.True(_arena.Holds(sent.addr, sent.len), $"{sent.addr}+{sent.len}");
            left.Add((sent.addr, new ReadOnlySpan<byte>(_arena.Address + sent.addr, (int)sent.len).ToArray(), sent.options));
            _completion.Frame(i) = sent.addr;
        }

        _transmit.Release(count);
        _completion.Submit(count);
        return left;
    }

    public void Dispose()
    {
        Queue.Dispose();
        _fill.Dispose();
        _completion.Dispose();
        _receive.Dispose();
        _transmit.Dispose();
        _memory.Dispose();
    }

    private XdpRing Map(int place, int entries, int entrySize)
    {
        var offsets = new xdp_ring_offset { producer = 0, consumer = 64, flags = 128, desc = 192 };
        XdpRing? ring = XdpRing.Map(_memory.Value, place * RingBytes, in offsets, (uint)entries, entrySize, out int error);
        Assert.Equal(0, error);
        return ring!;
    }
}
