using System.Runtime.CompilerServices;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Visibility;

namespace TunnelBox.Benchmarks.Stages;

/// <summary>The least that an inner side over AF_XDP does: Ethernet frames of one queue in, and out again with another header before the packet.</summary>
/// <param name="queue">Its queue.</param>
internal sealed unsafe class LanPort(XdpQueue queue) : IPort
{
    private readonly byte[] _header = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];

    /// <inheritdoc/>
    public string Description => "memory";

    /// <inheritdoc/>
    public bool MoreWaiting => queue.MoreWaiting;

    /// <inheritdoc/>
    public int GetPollDescriptors(Span<int> descriptors) => 0;

    /// <inheritdoc/>
    public int Receive(Burst burst)
    {
        queue.Recycle();
        queue.ReceiveFrames(burst);
        for (int i = 0; i < burst.Count; i++)
        {
            burst.Ecn[i] = 0;
            burst.Data[i] += FrameReader.EthernetSize;
            burst.Length[i] -= FrameReader.EthernetSize;
            if (burst.Length[i] < 0)
            {
                burst.Length[i] = 0;
                burst.Drop(i, DropReason.OutInnerHdrError);
            }
        }

        return burst.Count;
    }

    /// <inheritdoc/>
    public void Send(Burst burst)
    {
        queue.Reclaim();
        bool waited = true;
        for (int i = 0; i < burst.Count; i++)
        {
            if (burst.Verdict[i] != Verdict.Continue || !queue.HasFree(1, ref waited))
            {
                continue;
            }

            byte* packet = (byte*)burst.Data[i];
            if (burst.Length[i] >= XdpQueue.WorthTakingOver && queue.TryTakeOver(burst, i))
            {
                Unsafe.CopyBlockUnaligned(ref *(packet - FrameReader.EthernetSize), ref _header[0], FrameReader.EthernetSize);
                queue.AddTakenOver(packet, FrameReader.EthernetSize, burst.Length[i]);
            }
            else
            {
                byte* to = queue.Take(out ulong chunk);
                Unsafe.CopyBlockUnaligned(ref *(to - FrameReader.EthernetSize), ref _header[0], FrameReader.EthernetSize);
                Unsafe.CopyBlockUnaligned(to, packet, (uint)burst.Length[i]);
                queue.Add(chunk, FrameReader.EthernetSize, burst.Length[i]);
            }

            burst.Verdict[i] = Verdict.Done;
        }

        queue.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The queue belongs to whoever made it.
    }
}
