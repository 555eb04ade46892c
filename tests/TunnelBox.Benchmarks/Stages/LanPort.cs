using System.Runtime.CompilerServices;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>The least that an inner side over AF_XDP does: Ethernet frames of one queue in, and out again with another header before the packet.</summary>
/// <param name="device">The device.</param>
/// <param name="arena">Where its frames lie.</param>
/// <param name="queue">Its queue.</param>
internal sealed unsafe class LanPort(MemoryDevice device, Arena arena, XdpQueue queue) : IPort
{
    private readonly ulong[] _held = new ulong[Burst.Capacity];
    private readonly byte[] _header = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    private int _heldCount;

    /// <inheritdoc/>
    public string Description => "memory";

    /// <inheritdoc/>
    public bool MoreWaiting => queue.MoreWaiting;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors) => 0;

    /// <inheritdoc/>
    public int Receive(Burst burst)
    {
        XdpRing fill = device.Socket.Fill;
        for (int i = 0; i < _heldCount; i++)
        {
            fill.Frame((uint)i) = _held[i];
        }

        fill.Submit((uint)_heldCount);
        XdpRing ring = device.Socket.Receive;
        int count = (int)Math.Min(ring.Ready, Burst.Capacity);
        for (int i = 0; i < count; i++)
        {
            xdp_desc frame = ring.Descriptor((uint)i);
            _held[i] = frame.addr & ~(ulong)(Arena.ChunkSize - 1);
            burst.Ecn[i] = 0;
            burst.Data[i] = (nint)(arena.Address + frame.addr + FrameReader.EthernetSize);
            burst.Length[i] = (int)frame.len - FrameReader.EthernetSize;
            if (!arena.Holds(frame.addr, frame.len) || burst.Length[i] < 0)
            {
                burst.Length[i] = 0;
                burst.Drop(i, DropReason.OutInnerHdrError);
            }
        }

        ring.Release((uint)count);
        burst.Count = count;
        _heldCount = count;
        return count;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        queue.Reclaim();
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] == Verdict.Continue && queue.Take(out ulong chunk) is var to && to is not null)
            {
                Unsafe.CopyBlockUnaligned(ref *(to - FrameReader.EthernetSize), ref _header[0], FrameReader.EthernetSize);
                Unsafe.CopyBlockUnaligned(to, (byte*)burst.Data[i], (uint)burst.Length[i]);
                queue.Add(chunk, FrameReader.EthernetSize, burst.Length[i]);
                burst.Verdict[i] = Verdict.Done;
            }
        }

        queue.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The queue belongs to whoever made it.
    }
}
