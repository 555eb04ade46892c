using System.Runtime.InteropServices;

namespace TunnelBox.Visibility.Rings;

/// <summary>
/// The rings that one thread writes at the moment, and room to keep the beginnings of a burst's packets while stages overwrite them.
/// </summary>
public sealed unsafe class TapSet : IDisposable
{
    /// <summary>Packets in a burst.</summary>
    public const int Burst = 64;

    /// <summary>Bursts that can be under way at once: one that waited is sent in the middle of another.</summary>
    public const int Depth = 2;

    private byte* _scratch;

    internal TapSet(RingWriter[] writers)
    {
        Writers = writers;
        InnerSnap = writers.Max(writer => writer.InnerSnap);
        OuterSnap = writers.Max(writer => writer.OuterSnap);
        _scratch = (byte*)NativeMemory.Alloc((nuint)(Depth * Burst), (nuint)Math.Max(InnerSnap + OuterSnap, 1));
    }

    /// <summary>Gets the rings.</summary>
    public RingWriter[] Writers { get; }

    /// <summary>Gets the most bytes that any ring captures of an inner packet.</summary>
    public int InnerSnap { get; }

    /// <summary>Gets the most bytes that any ring captures of an outer packet.</summary>
    public int OuterSnap { get; }

    /// <summary>Gives the room for the beginning of an inner packet.</summary>
    /// <param name="depth">Which burst under way.</param>
    /// <param name="index">Which of its packets.</param>
    /// <returns><see cref="InnerSnap"/> bytes.</returns>
    public byte* Inner(int depth, int index) => _scratch + (((nint)(depth * Burst) + index) * (InnerSnap + OuterSnap));

    /// <summary>Gives the room for the beginning of an outer packet.</summary>
    /// <param name="depth">Which burst under way.</param>
    /// <param name="index">Which of its packets.</param>
    /// <returns><see cref="OuterSnap"/> bytes.</returns>
    public byte* Outer(int depth, int index) => Inner(depth, index) + InnerSnap;

    /// <summary>Frees the room; the rings stay.</summary>
    public void Dispose()
    {
        NativeMemory.Free(_scratch);
        _scratch = null;
    }
}
