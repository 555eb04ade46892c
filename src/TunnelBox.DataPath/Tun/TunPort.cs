using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tun;

/// <summary>One queue of a TUN interface.</summary>
public sealed unsafe class TunPort : IPort
{
    private const int SlotBytes = Burst.Headroom + 65536 + Burst.Tailroom;

    private readonly FileDescriptor _queue;
    private readonly TunOffloads _offloads;
    private readonly TunDevice _device;
    private readonly NativeRegion _region;
    private readonly int _fd;
    private readonly int _header;
    private bool _disposed;

    internal TunPort(FileDescriptor queue, TunOffloads offloads, TunDevice device)
    {
        bool referenced = false;
        queue.DangerousAddRef(ref referenced);
        _queue = queue;
        _fd = queue.Value;
        _offloads = offloads;
        _device = device;
        _header = offloads.Header ? sizeof(virtio_net_hdr) : 0;
        _region = new NativeRegion(4 << 20);
    }

    /// <inheritdoc/>
    public string Description => $"tun {_device.Name}{_offloads.Describe()}";

    /// <inheritdoc/>
    public bool MoreWaiting { get; private set; }

    /// <summary>Gets a value indicating whether the kernel said that the interface was deleted.</summary>
    public bool Gone { get; private set; }

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
        byte* cursor = _region.Address;
        byte* end = cursor + _region.Length;
        MoreWaiting = true;
        while (burst.Count < Burst.Capacity && cursor + SlotBytes + 16 <= end)
        {
            byte* data = cursor + Burst.Headroom + 16;
            nint length = LibC.read(_fd, data - _header, (nuint)(65535 + _header));
            if (length <= _header)
            {
                Gone |= length == -Definitions.EBADFD;
                MoreWaiting = false;
                break;
            }

            int index = burst.Count++;
            burst.Data[index] = (nint)data;
            burst.Length[index] = (int)length - _header;
            cursor = (byte*)((nint)(data + length + Burst.Tailroom + 63) & ~63);
        }

        return burst.Count - before;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        ArgumentNullException.ThrowIfNull(burst);
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] != Verdict.Continue)
            {
                continue;
            }

            byte* start = (byte*)burst.Data[i] - _header;
            new Span<byte>(start, _header).Clear();
            int error = (int)LibC.write(_fd, start, (nuint)(burst.Length[i] + _header));
            if (error >= 0)
            {
                burst.Verdict[i] = Verdict.Done;
                continue;
            }

            Gone |= error == -Definitions.EBADFD;
            burst.Drop(i, error is -Definitions.EAGAIN or -Definitions.ENOBUFS or -Definitions.ENOMEM
                ? DropReason.InNoQueueSpace
                : DropReason.InPortError);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _region.Dispose();
            _queue.DangerousRelease();
            _queue.Dispose();
        }
    }
}
