using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TunnelBox.DataPath;

/// <summary>
/// The Internet checksum (RFC 1071). Sums are kept in memory order: 16-bit words are added as the machine loads them, and the
/// folded result is stored as the machine stores it, so nothing is swapped (RFC 1071, section 2 (B)). Constants that join a
/// sum, such as a length, must be given as they lie in the packet.
/// </summary>
/// <remarks>
/// 64-bit lanes add whole words modulo 2^64 while a second accumulator adds their upper halves; the lower halves follow by
/// subtraction. That is three instructions a vector instead of the four of separate halves.
/// </remarks>
public static unsafe class Checksum
{
    /// <summary>Adds up bytes at any address.</summary>
    /// <param name="data">The bytes.</param>
    /// <param name="length">How many; the last one of an odd number counts as if a zero followed.</param>
    /// <param name="carry">A sum to go on from; what it covers must be an even number of bytes.</param>
    /// <returns>The sum, not folded; below 2^61 if <paramref name="carry"/> is below 2^60.</returns>
    public static ulong Sum(byte* data, int length, ulong carry = 0) => Run(null, data, length, carry, copy: false);

    /// <summary>Adds up the 20 bytes of an IPv4 header without options.</summary>
    /// <param name="header">The header.</param>
    /// <returns>As <see cref="Sum"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong SumHeader(byte* header)
    {
        ulong a = Unsafe.ReadUnaligned<uint>(header) + (ulong)Unsafe.ReadUnaligned<uint>(header + 4);
        ulong b = Unsafe.ReadUnaligned<uint>(header + 8) + (ulong)Unsafe.ReadUnaligned<uint>(header + 12);
        return a + b + Unsafe.ReadUnaligned<uint>(header + 16);
    }

    /// <summary>Copies bytes and adds them up in the same pass.</summary>
    /// <param name="destination">Where to; must not overlap behind <paramref name="source"/>.</param>
    /// <param name="source">The bytes.</param>
    /// <param name="length">How many.</param>
    /// <param name="carry">A sum to go on from.</param>
    /// <returns>As <see cref="Sum"/>.</returns>
    public static ulong CopyAndSum(byte* destination, byte* source, int length, ulong carry = 0) =>
        Run(destination, source, length, carry, copy: true);

    /// <summary>Folds a sum to 16 bits.</summary>
    /// <param name="sum">A sum.</param>
    /// <returns>The one's-complement sum in memory order; its complement is the checksum.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Fold(ulong sum)
    {
        sum = (uint)sum + (sum >> 32);
        sum = (ushort)sum + (sum >> 16);
        sum = (ushort)sum + (sum >> 16);
        sum = (ushort)sum + (sum >> 16);
        return (ushort)sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Run(byte* to, byte* from, int length, ulong sum, bool copy)
    {
        if (Vector512.IsHardwareAccelerated && length >= 64)
        {
            Vector512<ulong> words0 = Vector512<ulong>.Zero;
            Vector512<ulong> words1 = Vector512<ulong>.Zero;
            Vector512<ulong> upper0 = Vector512<ulong>.Zero;
            Vector512<ulong> upper1 = Vector512<ulong>.Zero;
            while (length >= 128)
            {
                Vector512<ulong> a = Vector512.Load((ulong*)from);
                Vector512<ulong> b = Vector512.Load((ulong*)(from + 64));
                if (copy)
                {
                    a.Store((ulong*)to);
                    b.Store((ulong*)(to + 64));
                    to += 128;
                }

                words0 += a;
                words1 += b;
                upper0 += a >>> 32;
                upper1 += b >>> 32;
                from += 128;
                length -= 128;
            }

            if (length >= 64)
            {
                Vector512<ulong> a = Vector512.Load((ulong*)from);
                if (copy)
                {
                    a.Store((ulong*)to);
                    to += 64;
                }

                words0 += a;
                upper0 += a >>> 32;
                from += 64;
                length -= 64;
            }

            Vector512<ulong> upper = upper0 + upper1;
            sum += Vector512.Sum(words0 + words1 - (upper << 32) + upper);
        }

        if (Vector256.IsHardwareAccelerated && length >= 32)
        {
            Vector256<ulong> words = Vector256<ulong>.Zero;
            Vector256<ulong> upper = Vector256<ulong>.Zero;
            do
            {
                Vector256<ulong> a = Vector256.Load((ulong*)from);
                if (copy)
                {
                    a.Store((ulong*)to);
                    to += 32;
                }

                words += a;
                upper += a >>> 32;
                from += 32;
                length -= 32;
            }
            while (length >= 32);
            sum += Vector256.Sum(words - (upper << 32) + upper);
        }

        if (Vector128.IsHardwareAccelerated && length >= 32)
        {
            Vector128<ulong> words = Vector128<ulong>.Zero;
            Vector128<ulong> upper = Vector128<ulong>.Zero;
            do
            {
                Vector128<ulong> a = Vector128.Load((ulong*)from);
                if (copy)
                {
                    a.Store((ulong*)to);
                    to += 16;
                }

                words += a;
                upper += a >>> 32;
                from += 16;
                length -= 16;
            }
            while (length >= 16);
            sum += Vector128.Sum(words - (upper << 32) + upper);
        }

        while (length >= 8)
        {
            ulong a = Unsafe.ReadUnaligned<ulong>(from);
            if (copy)
            {
                Unsafe.WriteUnaligned(to, a);
                to += 8;
            }

            sum += (a >> 32) + (uint)a;
            from += 8;
            length -= 8;
        }

        if ((length & 4) != 0)
        {
            uint a = Unsafe.ReadUnaligned<uint>(from);
            if (copy)
            {
                Unsafe.WriteUnaligned(to, a);
                to += 4;
            }

            sum += a;
            from += 4;
        }

        if ((length & 2) != 0)
        {
            ushort a = Unsafe.ReadUnaligned<ushort>(from);
            if (copy)
            {
                Unsafe.WriteUnaligned(to, a);
                to += 2;
            }

            sum += a;
            from += 2;
        }

        if ((length & 1) != 0)
        {
            if (copy)
            {
                *to = *from;
            }

            sum += BitConverter.IsLittleEndian ? *from : (ulong)*from << 8;
        }

        return sum;
    }
}
