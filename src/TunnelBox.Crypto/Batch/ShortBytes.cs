using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// Work on up to 64 bytes that must not touch a byte beyond, for processors without masked loads. It branches on lengths
/// only, and lengths are public.
/// </summary>
internal static unsafe class ShortBytes
{
    /// <summary>destination = source ^ keyStream.</summary>
    /// <param name="destination">Bytes to write.</param>
    /// <param name="source">Bytes to read; may equal the destination.</param>
    /// <param name="keyStream">As many bytes.</param>
    /// <param name="count">0 to 64.</param>
    public static void Mix(byte* destination, byte* source, byte* keyStream, int count)
    {
        int at = 0;
        for (; count - at >= 16; at += 16)
        {
            Vector128.Store(Vector128.Load(source + at) ^ Vector128.Load(keyStream + at), destination + at);
        }

        if ((count & 8) != 0)
        {
            ulong mixed = Unsafe.ReadUnaligned<ulong>(source + at) ^ Unsafe.ReadUnaligned<ulong>(keyStream + at);
            Unsafe.WriteUnaligned(destination + at, mixed);
            at += 8;
        }

        if ((count & 4) != 0)
        {
            uint mixed = Unsafe.ReadUnaligned<uint>(source + at) ^ Unsafe.ReadUnaligned<uint>(keyStream + at);
            Unsafe.WriteUnaligned(destination + at, mixed);
            at += 4;
        }

        for (; at < count; at++)
        {
            destination[at] = (byte)(source[at] ^ keyStream[at]);
        }
    }

    /// <summary>Fills a row of 64 bytes with zeros but for bytes <paramref name="from"/> to <paramref name="to"/>.</summary>
    /// <param name="row">The row.</param>
    /// <param name="source">Where the row's byte 0 would stand; only the given range is read.</param>
    /// <param name="from">First byte to take.</param>
    /// <param name="to">Byte after the last.</param>
    public static void Stage(byte* row, byte* source, int from, int to)
    {
        for (int i = 0; i < 64; i += 16)
        {
            Vector128.Store(Vector128<byte>.Zero, row + i);
        }

        int at = from;
        for (; to - at >= 16; at += 16)
        {
            Vector128.Store(Vector128.Load(source + at), row + at);
        }

        int rest = to - at;
        if ((rest & 8) != 0)
        {
            Unsafe.WriteUnaligned(row + at, Unsafe.ReadUnaligned<ulong>(source + at));
            at += 8;
        }

        if ((rest & 4) != 0)
        {
            Unsafe.WriteUnaligned(row + at, Unsafe.ReadUnaligned<uint>(source + at));
            at += 4;
        }

        for (; at < to; at++)
        {
            row[at] = source[at];
        }
    }
}
