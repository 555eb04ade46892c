using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// Poly1305 (RFC 8439, section 2.5) with 64-bit integers: the quickest form for a lone short packet, and the end of a lone
/// long one. Numbers are limbs of 44, 44 and 42 bits; a product is taken as its low 64 bits and, through a factor shifted
/// left beforehand, as what stands at 2^44 and above, so that no sum needs a carry. Multiplications, additions and shifts
/// only, each of which takes the same time for any value.
/// </summary>
internal unsafe struct ScalarPoly
{
    private const ulong Limb44 = (1UL << 44) - 1;
    private const ulong Limb42 = (1UL << 42) - 1;
    private const ulong Limb26 = (1UL << 26) - 1;

    private ulong _h0;
    private ulong _h1;
    private ulong _h2;

    /// <summary>Gives the clamped low half of r.</summary>
    /// <param name="keyRow">r and s, 16 bytes each.</param>
    /// <returns>The half.</returns>
    public static ulong RLow(byte* keyRow) => ((ulong*)keyRow)[0] & 0x0ffffffc0fffffffUL;

    /// <summary>Gives the clamped high half of r.</summary>
    /// <param name="keyRow">r and s.</param>
    /// <returns>The half.</returns>
    public static ulong RHigh(byte* keyRow) => ((ulong*)keyRow)[1] & 0x0ffffffc0ffffffcUL;

    /// <summary>Computes a tag.</summary>
    /// <param name="keyRow">r and s.</param>
    /// <param name="message">Whole blocks.</param>
    /// <param name="whole">Their count; follows from the length, which is public.</param>
    /// <param name="last">The blocks after them, the last of which is that of the lengths.</param>
    /// <param name="count">Their count, at least 1.</param>
    /// <returns>The tag.</returns>
    public static Vector128<byte> Tag(byte* keyRow, byte* message, nint whole, byte* last, nint count)
    {
        ScalarPoly poly = default;
        poly.Absorb(keyRow, (ulong*)message, whole, (ulong*)last, count);
        return poly.Reduce(keyRow);
    }

    /// <summary>Computes the tag from the sum over all blocks but that of the lengths.</summary>
    /// <param name="keyRow">r and s.</param>
    /// <param name="d">The sum: five limbs of 26 bits, each with carries up to 2^62.</param>
    /// <param name="length">Bytes of ciphertext.</param>
    /// <returns>The tag.</returns>
    public static Vector128<byte> Tag(byte* keyRow, ulong* d, ulong length)
    {
        ulong d1 = d[1] + (d[0] >> 26);
        ulong d2 = d[2] + (d1 >> 26);
        ulong d3 = d[3] + (d2 >> 26);
        ulong d4 = d[4] + (d3 >> 26);
        ulong d0 = (d[0] & Limb26) + 5 * (d4 >> 26);
        d1 &= Limb26;
        d2 &= Limb26;
        d3 &= Limb26;
        d4 &= Limb26;
        ScalarPoly poly = default;
        poly._h0 = d0 + (d1 << 26 & Limb44);
        poly._h1 = (d1 >> 18) + (d2 << 8) + (d3 << 34 & Limb44);
        poly._h2 = (d3 >> 10) + (d4 << 16);
        ulong* lengths = stackalloc ulong[2] { 0, length };
        poly.Absorb(keyRow, lengths, 1);
        return poly.Reduce(keyRow);
    }

    /// <summary>h = (h + block) r for successive blocks.</summary>
    /// <param name="keyRow">r and s.</param>
    /// <param name="message">The blocks.</param>
    /// <param name="count">How many.</param>
    /// <param name="more">Blocks elsewhere that follow them.</param>
    /// <param name="moreCount">How many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Absorb(byte* keyRow, ulong* message, nint count, ulong* more = null, nint moreCount = 0)
    {
        ulong low = RLow(keyRow);
        ulong high = RHigh(keyRow);
        ulong r0 = low & Limb44;
        ulong r1 = (low >> 44 | high << 20) & Limb44;
        ulong r2 = high >> 24;

        // 2^132 is 20 modulo 2^130 - 5. The factor 20 r1 needs 49 bits: 5 of its 20 shifts go to its partner.
        ulong s1 = 20 * r1;
        ulong s2 = 20 * r2;
        ulong r0Up = r0 << 20;
        ulong r1Up = r1 << 20;
        ulong r2Up = r2 << 20;
        ulong s1Up = s1 << 15;
        ulong s2Up = s2 << 20;
        ulong h0 = _h0;
        ulong h1 = _h1;
        ulong h2 = _h2;
        // Constant time: the count follows the length, which is public; 64-bit multiplications take the same time for all operands.
        for (nint left = count + moreCount; left > 0; left--, message += 2)
        {
            message = left == moreCount ? more : message;
            h0 += message[0] & Limb44;
            h1 += (message[0] >> 44 | message[1] << 20) & Limb44;
            h2 += message[1] >> 24 | 1UL << 40;
            ulong t0 = High(h0, r0Up) + High(h1, s2Up) + High(h2 << 5, s1Up);
            ulong t2 = High(h0, r2Up) + High(h1, r1Up) + High(h2, r0Up);
            ulong t1 = High(h0, r1Up) + High(h1, r0Up) + High(h2, s2Up);
            ulong d0 = h0 * r0 + h1 * s2 + h2 * s1 - (t0 << 44) + 20 * t2;
            ulong d2 = h0 * r2 + h1 * r1 + h2 * r0 - (t2 << 44) + t1;
            ulong d1 = h0 * r1 + h1 * r0 + h2 * s2 - (t1 << 44) + t0;
            h0 = (d0 & Limb44) + 5 * (d2 >> 42);
            h1 = (d1 & Limb44) + (d0 >> 44);
            h2 = (d2 & Limb42) + (d1 >> 44);
        }

        _h0 = h0;
        _h1 = h1;
        _h2 = h2;
    }

    /// <summary>Reduces fully and adds s.</summary>
    /// <param name="keyRow">r and s.</param>
    /// <returns>The tag.</returns>
    public readonly Vector128<byte> Reduce(byte* keyRow)
    {
        ulong h0 = _h0;
        ulong h1 = _h1;
        ulong h2 = _h2;
        // Constant time: two carry passes always, whether or not there is something to carry.
        for (int i = 0; i < 2; i++)
        {
            h1 += h0 >> 44;
            h0 &= Limb44;
            h2 += h1 >> 44;
            h1 &= Limb44;
            h0 += 5 * (h2 >> 42);
            h2 &= Limb42;
        }

        h1 += h0 >> 44;
        h0 &= Limb44;
        h2 += h1 >> 44;
        h1 &= Limb44;

        // h - p where that is not negative: a mask chooses.
        ulong g0 = h0 + 5;
        ulong g1 = h1 + (g0 >> 44);
        ulong g2 = h2 + (g1 >> 44) - (1UL << 42);
        ulong keep = 0 - (g2 >> 63);
        h0 = (h0 & keep) | (g0 & Limb44 & ~keep);
        h1 = (h1 & keep) | (g1 & Limb44 & ~keep);
        h2 = (h2 & keep) | (g2 & ~keep);
        ulong s = ((ulong*)keyRow)[2];
        ulong low = (h0 | h1 << 44) + s;
        ulong high = (h1 >> 20 | h2 << 24) + ((ulong*)keyRow)[3] + Unsafe.BitCast<bool, byte>(low < s);
        return Vector128.Create(low, high).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong High(ulong a, ulong b) => Bmi2.X64.IsSupported ? Bmi2.X64.MultiplyNoFlags(a, b) : Math.BigMul(a, b, out _);
}
