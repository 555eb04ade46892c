using System.Numerics;
using System.Runtime.InteropServices;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Frames on their way back from a worker that received them to the one whose queue they belong to: a ring with one writer and one reader, large
/// enough for every frame there is.
/// </summary>
internal sealed class FrameReturns
{
    private readonly ulong[] _frames;
    private Cursors _cursors;

    /// <summary>Makes an empty ring.</summary>
    /// <param name="frames">How many frames there are.</param>
    public FrameReturns(int frames) => _frames = new ulong[BitOperations.RoundUpToPowerOf2((uint)frames)];

    /// <summary>Gets how many frames wait; from any thread.</summary>
    public int Waiting => (int)(Volatile.Read(ref _cursors.Written) - Volatile.Read(ref _cursors.Read));

    /// <summary>Gives frames back; for the writer.</summary>
    /// <param name="frames">The frames, as chunks' offsets in the arena.</param>
    public void Give(ReadOnlySpan<ulong> frames)
    {
        long written = _cursors.Written;
        foreach (ulong frame in frames)
        {
            _frames[written++ & (_frames.Length - 1)] = frame;
        }

        Volatile.Write(ref _cursors.Written, written);
    }

    /// <summary>Has a fill ring get what waits; for the reader.</summary>
    /// <param name="fill">The ring, which has room for every frame there is.</param>
    public void MoveTo(XdpRing fill)
    {
        long read = _cursors.Read;
        int count = (int)(Volatile.Read(ref _cursors.Written) - read);
        if (count == 0)
        {
            return;
        }

        for (int i = 0; i < count; i++)
        {
            fill.Frame((uint)i) = _frames[(read + i) & (_frames.Length - 1)];
        }

        fill.Submit((uint)count);
        Volatile.Write(ref _cursors.Read, read + count);
    }

    // Each on a pair of cache lines of its own: they are written by different processors.
    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Cursors
    {
        [FieldOffset(128)]
        public long Written;

        [FieldOffset(256)]
        public long Read;
    }
}
