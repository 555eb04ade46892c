using System.Runtime.CompilerServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>
/// A network device that is only memory: the four rings of an AF_XDP socket, of which our side is an ordinary <see cref="XdpSocket"/> and the
/// other side, the kernel's, is played here. Rings are mapped twice from one memory file, so both sides have their own indices.
/// </summary>
internal sealed unsafe class MemoryDevice : IDisposable
{
    /// <summary>Bytes that the kernel leaves free before a received frame (XDP_PACKET_HEADROOM), and those that we ask it for.</summary>
    public const int Headroom = 256 + Arena.Headroom;

    private const int RingBytes = 64 * 1024;
    private readonly FileDescriptor _memory;
    private readonly XdpRing _fill;
    private readonly XdpRing _completion;
    private readonly XdpRing _receive;
    private readonly XdpRing _transmit;
    private readonly Arena _arena;

    /// <summary>Makes a device.</summary>
    /// <param name="arena">Where its frames lie.</param>
    /// <param name="entries">Entries of each ring, a power of two up to 2,048.</param>
    /// <param name="offer">As many chunks to receive into.</param>
    public MemoryDevice(Arena arena, uint entries, ReadOnlySpan<ulong> offer)
    {
        _arena = arena;
        fixed (byte* name = "rings\0"u8)
        {
            _memory = new FileDescriptor(LibC.memfd_create(name, 0));
        }

        if (LibC.ftruncate(_memory.Value, 4 * RingBytes) < 0)
        {
            throw new InvalidOperationException("There is no memory for rings.");
        }

        Socket = XdpSocket.OfRings(Map(0, entries, 8), Map(1, entries, 8), Map(2, entries, sizeof(xdp_desc)), Map(3, entries, sizeof(xdp_desc)));
        for (uint i = 0; i < entries; i++)
        {
            Socket.Fill.Frame(i) = offer[(int)i];
        }

        Socket.Fill.Submit(entries);
        _fill = Map(0, entries, 8);
        _completion = Map(1, entries, 8);
        _receive = Map(2, entries, sizeof(xdp_desc));
        _transmit = Map(3, entries, sizeof(xdp_desc));
    }

    /// <summary>Gets our side.</summary>
    public XdpSocket Socket { get; }

    /// <summary>Lets frames arrive, all the same.</summary>
    /// <param name="frame">The bytes.</param>
    /// <param name="count">How many.</param>
    public void Arrive(ReadOnlySpan<byte> frame, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Arrive(frame, (uint)i);
        }

        Show(count);
    }

    /// <summary>Lets what another device has transmitted arrive here, and tells that device that it is done.</summary>
    /// <param name="other">The other one.</param>
    /// <returns>How many frames there were.</returns>
    public int ArriveFrom(MemoryDevice other)
    {
        int count = (int)other._transmit.Ready;
        for (uint i = 0; i < (uint)count; i++)
        {
            xdp_desc sent = other._transmit.Descriptor(i);
            Arrive(new ReadOnlySpan<byte>(other._arena.Address + sent.addr, (int)sent.len), i);
            Explain(i);
            other._completion.Frame(i) = sent.addr;
        }

        Show(count);
        other._transmit.Release((uint)count);
        other._completion.Submit((uint)count);
        return count;
    }

    /// <summary>Transmits to nowhere.</summary>
    /// <returns>How many frames left.</returns>
    public int Leave()
    {
        uint count = _transmit.Ready;
        for (uint i = 0; i < count; i++)
        {
            _completion.Frame(i) = _transmit.Descriptor(i).addr;
        }

        _transmit.Release(count);
        _completion.Submit(count);
        return (int)count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Socket.Dispose();
        _fill.Dispose();
        _completion.Dispose();
        _receive.Dispose();
        _transmit.Dispose();
        _memory.Dispose();
    }

    private void Arrive(ReadOnlySpan<byte> frame, uint ahead)
    {
        if (ahead >= _fill.Ready)
        {
            throw new InvalidOperationException("The fill ring is empty: frames were lost.");
        }

        ulong at = (_fill.Frame(ahead) & ~(ulong)(Arena.ChunkSize - 1)) + Headroom;
        frame.CopyTo(new Span<byte>(_arena.Address + at, frame.Length));
        _receive.Descriptor(ahead) = new xdp_desc { addr = at, len = (uint)frame.Length };
    }

    // What the XDP program writes in front of a frame of the encrypted side.
    private void Explain(uint ahead)
    {
        xdp_desc frame = _receive.Descriptor(ahead);
        Unsafe.WriteUnaligned(_arena.Address + frame.addr - PacketHints.Size, new PacketHints
        {
            Magic = PacketHints.ExpectedMagic,
            Present = HintFields.Network | HintFields.Transport | HintFields.Payload,
            Network = 14,
            Transport = 34,
            Payload = 42,
            PayloadLength = (ushort)(frame.len - 42),
            IPVersion = 4,
            Protocol = 17,
        });
    }

    private void Show(int count)
    {
        _fill.Release((uint)count);
        _receive.Submit((uint)count);

        // What was written here must not still be on its way to the cache when the worker's time begins.
        Interlocked.MemoryBarrier();
    }

    private XdpRing Map(int place, uint entries, int entrySize)
    {
        var offsets = new xdp_ring_offset { producer = 0, consumer = 64, flags = 128, desc = 192 };
        return XdpRing.Map(_memory.Value, place * RingBytes, in offsets, entries, entrySize, out _)
            ?? throw new InvalidOperationException("The rings cannot be mapped.");
    }
}
