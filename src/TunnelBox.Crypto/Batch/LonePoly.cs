using System.Runtime.Intrinsics;

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// Poly1305 of one packet by itself: block by block when it is short, else as many successive blocks as lanes at a time.
/// Branches follow the length, which is public.
/// </summary>
/// <typeparam name="TKernels">The vector width.</typeparam>
internal static unsafe class LonePoly<TKernels>
    where TKernels : struct, IBatchKernels
{
    /// <summary>Gets the longest packet that leaves <see cref="BatchScratch.State"/> alone.</summary>
    public static int LongestWithoutState => TKernels.WideFrom == int.MaxValue ? int.MaxValue : 16 * (Math.Min(TKernels.WideFrom, Vector256Kernels.WideFrom) - 1);

    /// <summary>Computes a tag.</summary>
    /// <param name="scratch">Working memory.</param>
    /// <param name="message">The ciphertext.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="keyRow">r and s.</param>
    /// <returns>The tag.</returns>
    public static Vector128<byte> Compute(BatchScratch scratch, byte* message, int length, byte* keyRow)
    {
        int blocks = (length + 15) >> 4;
        if (blocks >= TKernels.WideFrom)
        {
            return ScalarPoly.Tag(keyRow, Wide(scratch, message, length, keyRow), (ulong)length);
        }

        // Half the lanes have their powers sooner.
        if (TKernels.VectorBytes == 64 && blocks >= Vector256Kernels.WideFrom)
        {
            return ScalarPoly.Tag(keyRow, LonePoly<Vector256Kernels>.Wide(scratch, message, length, keyRow), (ulong)length);
        }

        // A broken last block, padded, and the block of lengths stand together.
        int whole = length >> 4;
        int broken = blocks - whole;
        byte* last = scratch.Staged;
        TKernels.Stage(last, message + 16 * whole, 0, length & 15);
        ((ulong*)(last + 16 * broken))[0] = 0;
        ((ulong*)(last + 16 * broken))[1] = (ulong)length;
        return ScalarPoly.Tag(keyRow, message, whole, last, broken + 1);
    }

    internal static ulong* Wide(BatchScratch scratch, byte* message, int length, byte* keyRow)
    {
        byte* state = scratch.State;
        int group = 16 * TKernels.PolyLanes;
        int groups = (length + group - 1) / group;
        int absent = groups * TKernels.PolyLanes - ((length + 15) >> 4);
        bool partial = (length & 15) != 0;
        byte* at = message - 16 * absent;
        TKernels.WideInit(state, ScalarPoly.RLow(keyRow), ScalarPoly.RHigh(keyRow));
        byte* head = at;
        if (absent != 0 || (partial && groups == 1))
        {
            head = Stage(scratch, at, 16 * absent, (int)Math.Min(group, message + length - at));
        }

        TKernels.WideHead(state, head, absent);
        at += group;
        int direct = groups - 1 - (partial && groups > 1 ? 1 : 0);
        if ((direct & 1) != 0)
        {
            TKernels.WideStep(state, at);
            at += group;
        }

        TKernels.WidePairs(state, at, direct >> 1);
        at += group * (direct & ~1);
        if (partial && groups > 1)
        {
            TKernels.WideStep(state, Stage(scratch, at, 0, (int)(message + length - at)));
        }

        ulong* limbs = (ulong*)scratch.Tags;
        TKernels.WideJoin(state, limbs);
        return limbs;
    }

    private static byte* Stage(BatchScratch scratch, byte* source, int from, int to)
    {
        for (int row = 0; row < 16 * TKernels.PolyLanes; row += 64)
        {
            int first = Math.Clamp(from - row, 0, 64);
            TKernels.Stage(scratch.Staged + row, source + row, first, Math.Clamp(to - row, first, 64));
        }

        return scratch.Staged;
    }
}
