using System.Runtime.CompilerServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Where received frames are put together that took several chunks (jumbo frames): the pipeline seals and opens in place, so a packet lies in one piece.
/// Beside the cipher's time for so many bytes the copy is small.
/// </summary>
internal sealed unsafe class FrameChains : IDisposable
{
    /// <summary>Bytes of the largest frame that is put together, and of the largest that is sent; the XDP programs leave larger ones to the kernel.</summary>
    public const int LargestFrame = 9728;

    /// <summary>Most chunks that one frame may take: what the kernel's own packets consist of (MAX_SKB_FRAGS, and their head).</summary>
    public const int MostPieces = 18;

    private const int Room = 128;
    private const int Place = Room + LargestFrame + 384;
    private readonly NativeRegion _places = new(Burst.Capacity * Place);

    /// <summary>Begins a frame.</summary>
    /// <param name="index">Its number in the burst.</param>
    /// <returns>Where its first byte goes; before it is room for hints and headers, behind it for what sealing appends.</returns>
    public byte* Begin(int index)
    {
        byte* frame = _places.Address + ((index % Burst.Capacity) * Place) + Room;
        Unsafe.WriteUnaligned(frame - PacketHints.Size, 0u);
        return frame;
    }

    /// <summary>Takes the hints along that stand before a frame's first piece; afterwards they are not there any more.</summary>
    /// <param name="frame">What <see cref="Begin"/> gave.</param>
    /// <param name="piece">The first piece.</param>
    /// <param name="room">Bytes that belong to the piece's chunk before it.</param>
    public static void TakeHints(byte* frame, byte* piece, int room)
    {
        if (room >= PacketHints.Size)
        {
            Unsafe.CopyBlockUnaligned(frame - PacketHints.Size, piece - PacketHints.Size, PacketHints.Size);
            Unsafe.WriteUnaligned(piece - PacketHints.Size, 0u);
        }
    }

    /// <summary>Tells whether a piece may be the next one.</summary>
    /// <param name="arena">Where it must lie.</param>
    /// <param name="piece">The piece.</param>
    /// <param name="number">How many came before it.</param>
    /// <param name="length">Bytes of those.</param>
    /// <returns>False where the frame is malformed, too large, or in too many pieces.</returns>
    public static bool Takes(Arena arena, in xdp_desc piece, int number, int length) =>
        number < MostPieces && arena.Holds(piece.addr, piece.len) && piece.len <= (uint)(LargestFrame - length);

    /// <inheritdoc/>
    public void Dispose() => _places.Dispose();
}
