using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;

namespace TunnelBox.Crypto;

/// <summary>BLAKE2s (RFC 7693), plain and keyed, with outputs of 1 to 32 bytes.</summary>
/// <remarks>
/// A value for the stack: initialise, update, finish. It allocates nothing, and <see cref="Finish"/> wipes it. The rows of
/// the working state are vectors of four words, so that the four columns (and then the four diagonals) mix at once. Table
/// look-ups depend on the round only, never on the message.
/// </remarks>
public unsafe struct Blake2s
{
    /// <summary>Bytes in a block.</summary>
    public const int BlockSize = 64;

    /// <summary>Bytes in the largest hash and in the largest key.</summary>
    public const int HashSize = 32;

    private const uint Iv0 = 0x6A09E667;
    private const uint Iv1 = 0xBB67AE85;
    private const uint Iv2 = 0x3C6EF372;
    private const uint Iv3 = 0xA54FF53A;
    private const uint Iv4 = 0x510E527F;
    private const uint Iv5 = 0x9B05688C;
    private const uint Iv6 = 0x1F83D9AB;
    private const uint Iv7 = 0x5BE0CD19;

    private Vector128<uint> _low;
    private Vector128<uint> _high;
    private ulong _counter;
    private int _filled;
    private int _outputSize;
    private fixed byte _buffer[BlockSize];

    // RFC 7693, section 2.7; a row a round, in the order in which the round takes its words.
    private static ReadOnlySpan<byte> Schedule =>
    [
        0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
        14, 4, 9, 13, 10, 8, 15, 6, 1, 0, 11, 5, 12, 2, 7, 3,
        11, 12, 5, 15, 8, 0, 2, 13, 10, 3, 7, 9, 14, 6, 1, 4,
        7, 3, 13, 11, 9, 1, 12, 14, 2, 5, 4, 15, 6, 10, 0, 8,
        9, 5, 2, 10, 0, 7, 4, 15, 14, 11, 6, 3, 1, 12, 8, 13,
        2, 6, 0, 8, 12, 10, 11, 3, 4, 7, 15, 1, 13, 5, 14, 9,
        12, 1, 14, 4, 5, 15, 13, 10, 0, 6, 9, 8, 7, 3, 2, 11,
        13, 7, 12, 3, 11, 14, 1, 9, 5, 15, 8, 2, 0, 4, 6, 10,
        6, 14, 11, 0, 15, 9, 3, 8, 12, 13, 1, 10, 2, 7, 4, 5,
        10, 8, 7, 1, 2, 4, 6, 5, 15, 9, 3, 13, 11, 14, 12, 0,
    ];

    /// <summary>Starts a hash or, with a key, a MAC.</summary>
    /// <param name="outputSize">Bytes of output, 1 to 32.</param>
    /// <param name="key">At most 32 bytes; empty for a plain hash.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    public Blake2s(int outputSize, ReadOnlySpan<byte> key = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(outputSize, HashSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, HashSize, nameof(key));
        // The parameter block of section 2.5: digest length, key length, fanout 1, depth 1.
        _low = Vector128.Create(Iv0 ^ 0x01010000 ^ ((uint)key.Length << 8) ^ (uint)outputSize, Iv1, Iv2, Iv3);
        _high = Vector128.Create(Iv4, Iv5, Iv6, Iv7);
        _outputSize = outputSize;
        if (!key.IsEmpty)
        {
            fixed (byte* buffer = _buffer)
            {
                key.CopyTo(new Span<byte>(buffer, BlockSize));
            }

            _filled = BlockSize;
        }
    }

    /// <summary>Hashes one span into 32 bytes.</summary>
    /// <param name="data">The bytes to hash.</param>
    /// <param name="destination">Exactly 32 bytes; may be the data's own.</param>
    public static void Hash(ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Blake2s hash = new(HashSize);
        hash.Update(data);
        hash.Finish(destination);
    }

    /// <summary>Hashes two spans, one after the other, into 32 bytes.</summary>
    /// <param name="first">The first bytes to hash.</param>
    /// <param name="second">The bytes after them.</param>
    /// <param name="destination">Exactly 32 bytes; may be one of the inputs.</param>
    public static void Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> destination)
    {
        Blake2s hash = new(HashSize);
        hash.Update(first);
        hash.Update(second);
        hash.Finish(destination);
    }

    /// <summary>Computes a keyed hash, WireGuard's MAC(key, data), of as many bytes as the destination has.</summary>
    /// <param name="key">1 to 32 bytes.</param>
    /// <param name="data">The bytes to authenticate.</param>
    /// <param name="destination">1 to 32 bytes: 16 for mac1, mac2 and cookies.</param>
    public static void Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Blake2s hash = new(destination.Length, key);
        hash.Update(data);
        hash.Finish(destination);
    }

    /// <summary>Takes in more data.</summary>
    /// <param name="data">The bytes.</param>
    public void Update(ReadOnlySpan<byte> data)
    {
        fixed (byte* buffer = _buffer, input = data)
        {
            byte* from = input;
            int left = data.Length;
            // The last block is kept back, since it is compressed with another flag; so a full buffer waits for one more byte.
            if (left > BlockSize - _filled)
            {
                int fill = BlockSize - _filled;
                Unsafe.CopyBlockUnaligned(buffer + _filled, from, (uint)fill);
                from += fill;
                left -= fill;
                _filled = 0;
                Compress(buffer, BlockSize, 0);
                for (; left > BlockSize; left -= BlockSize)
                {
                    Compress(from, BlockSize, 0);
                    from += BlockSize;
                }
            }

            if (left > 0)
            {
                Unsafe.CopyBlockUnaligned(buffer + _filled, from, (uint)left);
                _filled += left;
            }
        }
    }

    /// <summary>Writes the hash and wipes everything the value held.</summary>
    /// <param name="destination">Exactly as many bytes as were asked for at the start.</param>
    /// <exception cref="ArgumentException">The destination has another size, or the value was finished before.</exception>
    public void Finish(Span<byte> destination)
    {
        if (_outputSize == 0 || destination.Length != _outputSize)
        {
            throw new ArgumentException("The destination is not of the size given at the start, or the hash was finished before.", nameof(destination));
        }

        Span<byte> output = stackalloc byte[HashSize];
        fixed (byte* buffer = _buffer)
        {
            new Span<byte>(buffer + _filled, BlockSize - _filled).Clear();
            Compress(buffer, (uint)_filled, uint.MaxValue);
        }

        if (BitConverter.IsLittleEndian)
        {
            _low.AsByte().CopyTo(output);
            _high.AsByte().CopyTo(output[16..]);
        }
        else
        {
            for (int i = 0; i < 4; i++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(output[(4 * i)..], _low[i]);
                BinaryPrimitives.WriteUInt32LittleEndian(output[(16 + (4 * i))..], _high[i]);
            }
        }

        output[..destination.Length].CopyTo(destination);
        CryptographicOperations.ZeroMemory(output);
        Wipe();
    }

    /// <summary>Compresses a full buffer ahead of time, so that copies of the value share the work. More data must follow.</summary>
    internal void CompressFullBlock()
    {
        if (_filled == BlockSize)
        {
            fixed (byte* buffer = _buffer)
            {
                Compress(buffer, BlockSize, 0);
                new Span<byte>(buffer, BlockSize).Clear();
            }

            _filled = 0;
        }
    }

    /// <summary>Wipes everything the value held; only needed where <see cref="Finish"/> is not reached.</summary>
    public void Wipe()
    {
        fixed (Blake2s* self = &this)
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(self, sizeof(Blake2s)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Gather(uint* m, ref byte schedule) => Vector128.Create(
        m[schedule], m[Unsafe.Add(ref schedule, 1)], m[Unsafe.Add(ref schedule, 2)], m[Unsafe.Add(ref schedule, 3)]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Rotate16(Vector128<uint> v) => Vector128.Shuffle(
        v.AsByte(), Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Rotate8(Vector128<uint> v) => Vector128.Shuffle(
        v.AsByte(), Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12)).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Rotate12(Vector128<uint> v) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(v, 12) : (v >>> 12) | (v << 20);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Rotate7(Vector128<uint> v) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(v, 7) : (v >>> 7) | (v << 25);

    /// <summary>The compression function F (section 3.2).</summary>
    /// <param name="block">64 bytes.</param>
    /// <param name="count">Bytes of the message in the block.</param>
    /// <param name="last">All ones for the last block, otherwise 0.</param>
    private void Compress(byte* block, uint count, uint last)
    {
        uint* m = (uint*)block;
        uint* swapped = stackalloc uint[16];
        if (!BitConverter.IsLittleEndian)
        {
            for (int i = 0; i < 16; i++)
            {
                swapped[i] = BinaryPrimitives.ReverseEndianness(m[i]);
            }

            m = swapped;
        }

        _counter += count;
        Vector128<uint> a = _low;
        Vector128<uint> b = _high;
        Vector128<uint> c = Vector128.Create(Iv0, Iv1, Iv2, Iv3);
        Vector128<uint> d = Vector128.Create(Iv4 ^ (uint)_counter, Iv5 ^ (uint)(_counter >> 32), Iv6 ^ last, Iv7);
        ref byte schedule = ref Unsafe.AsRef(in Schedule[0]);
        for (int round = 0; round < 10; round++)
        {
            // Columns.
            a += b + Gather(m, ref schedule);
            d = Rotate16(d ^ a);
            c += d;
            b = Rotate12(b ^ c);
            a += b + Gather(m, ref Unsafe.Add(ref schedule, 4));
            d = Rotate8(d ^ a);
            c += d;
            b = Rotate7(b ^ c);

            // Diagonals become columns.
            b = Vector128.Shuffle(b, Vector128.Create(1u, 2, 3, 0));
            c = Vector128.Shuffle(c, Vector128.Create(2u, 3, 0, 1));
            d = Vector128.Shuffle(d, Vector128.Create(3u, 0, 1, 2));
            a += b + Gather(m, ref Unsafe.Add(ref schedule, 8));
            d = Rotate16(d ^ a);
            c += d;
            b = Rotate12(b ^ c);
            a += b + Gather(m, ref Unsafe.Add(ref schedule, 12));
            d = Rotate8(d ^ a);
            c += d;
            b = Rotate7(b ^ c);

            // And back.
            b = Vector128.Shuffle(b, Vector128.Create(3u, 0, 1, 2));
            c = Vector128.Shuffle(c, Vector128.Create(2u, 3, 0, 1));
            d = Vector128.Shuffle(d, Vector128.Create(1u, 2, 3, 0));
            schedule = ref Unsafe.Add(ref schedule, 16);
        }

        _low ^= a ^ c;
        _high ^= b ^ d;
    }
}
