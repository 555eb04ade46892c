using System.Runtime.CompilerServices;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tun;

/// <summary>One queue of a TUN interface.</summary>
public sealed unsafe class TunPort : IPort
{
    /// <summary>Bytes asked of the kernel: one more than an IP packet can have, so that a cut one shows.</summary>
    private const int LargestRead = 65536;

    private const int LargestSlot = 65536 + 256;

    /// <summary>Plain packets above this are read in place.</summary>
    private const int LargePacket = 512;

    private const int SuperOffset = 64;

    private readonly FileDescriptor _queue;
    private readonly TunOffloads _offloads;
    private readonly Func<string> _name;
    private readonly NativeRegion _slots;
    private readonly NativeRegion _super;
    private readonly GsoSplitter _splitter = new();
    private readonly TunWriter _writer;
    private readonly int _fd;
    private readonly int _header;
    private bool _gone;
    private bool _large;
    private bool _disposed;

    internal TunPort(FileDescriptor queue, TunOffloads offloads, Func<string> name)
    {
        bool referenced = false;
        queue.DangerousAddRef(ref referenced);
        _queue = queue;
        _fd = queue.Value;
        _offloads = offloads;
        _name = name;
        _header = offloads.Header ? sizeof(virtio_net_hdr) : 0;
        _slots = new NativeRegion((Burst.Capacity + 1) * LargestSlot);
        _writer = new TunWriter(_fd, offloads);
        _super = new NativeRegion(SuperOffset + LargestSlot);
    }

    /// <inheritdoc/>
    public string Description => $"tun {_name()}{_offloads.Describe()}";

    /// <inheritdoc/>
    public bool MoreWaiting { get; private set; }

    /// <inheritdoc/>
    public bool Holds => _splitter.Active;

    /// <summary>Gets a value indicating whether the kernel said that the interface was deleted.</summary>
    public bool Gone => _gone || _writer.Gone;

    /// <summary>Gets how many packets and super-packets were written into the kernel.</summary>
    public long Writes => _writer.Writes;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors)
    {
        descriptors[0] = _fd;
        return 1;
    }

    /// <inheritdoc/>
    public int Receive(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        int before = burst.Count;
        byte* cursor = _slots.Address;
        byte* end = cursor + _slots.Length;
        MoreWaiting = true;
        while (true)
        {
            if (_splitter.Active)
            {
                _splitter.Fill(burst, ref cursor, end);
            }

            if (_splitter.Active || burst.Count == Burst.Capacity || end - cursor < LargestSlot)
            {
                return burst.Count - before;
            }

            if (!Read(burst, ref cursor))
            {
                MoreWaiting = false;
                return burst.Count - before;
            }
        }
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        _writer.Write(burst);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _slots.Dispose();
            _super.Dispose();
            _writer.Dispose();
            _queue.DangerousRelease();
            _queue.Dispose();
        }
    }

    /// <summary>Reads one packet or super-packet; false when the queue is empty.</summary>
    private bool Read(Burst burst, ref byte* cursor)
    {
        // After a large plain packet the next one is read to where it stays. Otherwise it goes to one buffer that stays in
        // the caches: a super-packet is cut from there, and copying a small packet out costs a few nanoseconds.
        byte* slot = cursor + Burst.Headroom;
        byte* packet = _large ? slot : _super.Address + SuperOffset;
        nint read = LibC.read(_fd, packet - _header, (nuint)(LargestRead + _header));
        if (read < 0)
        {
            _gone |= read == -Definitions.EBADFD;
            return false;
        }

        int length = (int)read - _header;
        virtio_net_hdr header = default;
        if (_header != 0)
        {
            header = *(virtio_net_hdr*)(packet - _header);
        }

        // More than an IP packet can hold means that the kernel cut it.
        bool valid = length is > 0 and <= 65535;
        if (valid && header.gso_type != Definitions.VIRTIO_NET_HDR_GSO_NONE)
        {
            byte* source = packet;
            if (_large)
            {
                source = _super.Address + SuperOffset;
                Buffer.MemoryCopy(packet, source, LargestRead, length);
                _large = false;
            }

            if (_splitter.Begin(&header, source, length))
            {
                return true;
            }

            valid = false;
        }

        length = Math.Clamp(length, 0, 65535);
        if (packet != slot)
        {
            Unsafe.CopyBlockUnaligned(slot, packet, (uint)length);
        }

        _large = length > LargePacket;
        if (valid && (header.flags & Definitions.VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0)
        {
            valid = SegmentHeaders.FinishChecksum(&header, slot, length);
        }

        int index = burst.Count++;
        burst.Data[index] = (nint)slot;
        burst.Length[index] = length;
        if (!valid)
        {
            burst.Drop(index, DropReason.OutOffloadInvalid);
        }

        cursor += GsoSplitter.OddLines(Burst.Headroom + length + Burst.Tailroom);
        return true;
    }
}
