using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Batch;

/// <summary>
/// The self-test of an engine: bursts of many shapes, so that every kernel runs, against answers computed with another
/// implementation (libsodium's crypto_aead_chacha20poly1305_ietf).
/// </summary>
internal static unsafe class KnownAnswers
{
    /// <summary>Lengths of the burst: none, single bytes, whole and broken blocks and rows, and long packets.</summary>
    private static ReadOnlySpan<ushort> Lengths =>
    [
        0, 1, 15, 16, 17, 31, 32, 47, 48, 49, 63, 64, 65, 79, 80, 96, 127, 128, 129, 191, 192, 193, 255, 256, 257, 320, 447, 511,
        512, 513, 575, 640, 767, 768, 1023, 1024, 1025, 1279, 1280, 1392, 1408, 1419, 1420, 1421, 1440, 1500, 2047, 2048, 4001, 600,
    ];

    /// <summary>
    /// Tells what an engine gets wrong. Each round seals a burst, folds ciphertexts and tags into a sum, compares that
    /// with the known one, opens the burst again, and requires that a flipped bit be refused.
    /// </summary>
    /// <param name="aead">The engine.</param>
    /// <returns>Null when all is right.</returns>
    public static string? Check(IPacketAead aead)
    {
        for (int round = 0; round < Rounds.Length; round++)
        {
            string? fault = Round(aead, round, out ulong sum) ?? (sum == Rounds[round].Sum ? null : "a known answer differs");
            if (fault != null)
            {
                return fault;
            }
        }

        return null;
    }

    /// <summary>Seals and opens one burst.</summary>
    /// <param name="aead">The engine.</param>
    /// <param name="round">Which of <see cref="Rounds"/>.</param>
    /// <param name="sum">The sum over ciphertexts and tags.</param>
    /// <returns>Null when opening gave back what was sealed.</returns>
    internal static string? Round(IPacketAead aead, int round, out ulong sum)
    {
        (int first, int count, int keys, _) = Rounds[round];
        ReadOnlySpan<ushort> lengths = Lengths.Slice(first, count);
        int room = 2 * 32;
        foreach (ushort length in lengths)
        {
            room += 2 * (length + IPacketAead.TagSize);
        }

        byte* memory = (byte*)NativeMemory.AllocZeroed((nuint)room);
        try
        {
            Span<AeadJob> jobs = stackalloc AeadJob[count];
            ulong seed = (ulong)round + 1;
            Noise(new Span<byte>(memory, room), ref seed);
            byte* next = memory + 2 * 32;
            for (int i = 0; i < count; i++)
            {
                int size = lengths[i] + IPacketAead.TagSize;
                jobs[i] = new AeadJob
                {
                    Source = (nint)next,
                    Destination = (nint)(next + size),
                    Key = new KeyHandle((nint)(memory + 32 * (i % keys))),
                    Counter = 0x0123_4567_89AB_CDEF * (ulong)(i + 1),
                    Length = lengths[i],
                };
                next += 2 * size;
            }

            aead.Seal(jobs);
            sum = Sum(jobs);
            return Reopen(aead, jobs);
        }
        finally
        {
            NativeMemory.Clear(memory, (nuint)room);
            NativeMemory.Free(memory);
        }
    }

    /// <summary>Opens what was sealed in place, once with a flipped bit in every third packet.</summary>
    private static string? Reopen(IPacketAead aead, Span<AeadJob> jobs)
    {
        Span<nint> plain = stackalloc nint[jobs.Length];
        for (int i = 0; i < jobs.Length; i++)
        {
            plain[i] = jobs[i].Source;
            jobs[i].Source = jobs[i].Destination;
            if (i % 3 == 2)
            {
                ((byte*)jobs[i].Source)[jobs[i].Length * i / jobs.Length] ^= 0x10;
            }
        }

        aead.Open(jobs);
        for (int i = 0; i < jobs.Length; i++)
        {
            bool forged = i % 3 == 2;
            if (jobs[i].Opened == forged)
            {
                return forged ? "a forged packet was accepted" : "a genuine packet was refused";
            }

            ReadOnlySpan<byte> expected = new((byte*)plain[i], jobs[i].Length);
            if (!forged && !expected.SequenceEqual(new ReadOnlySpan<byte>((byte*)jobs[i].Destination, jobs[i].Length)))
            {
                return "an opened packet differs from what was sealed";
            }
        }

        return null;
    }

    private static ulong Sum(ReadOnlySpan<AeadJob> jobs)
    {
        // FNV-1a: fixed test data, so any sum that notices a change will do.
        ulong sum = 14695981039346656037;
        foreach (AeadJob job in jobs)
        {
            foreach (byte b in new ReadOnlySpan<byte>((byte*)job.Destination, job.Length + IPacketAead.TagSize))
            {
                sum = (sum ^ b) * 1099511628211;
            }
        }

        return sum;
    }

    private static void Noise(Span<byte> bytes, ref ulong seed)
    {
        foreach (ref byte b in bytes)
        {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            b = (byte)(seed >> 56);
        }
    }

    /// <summary>First length, packets and keys of each burst, and its known sum.</summary>
    internal static ReadOnlySpan<(int First, int Count, int Keys, ulong Sum)> Rounds => Table;

    private static readonly (int First, int Count, int Keys, ulong Sum)[] Table =
    [
        (0, 48, 1, 0x30E3AB9E537C403D),
        (0, 48, 2, 0xEF814E4B7A3114D6),
        (11, 1, 1, 0x1ED588C38178A986),
        (42, 1, 1, 0xF0258C076E9DD4C5),
        (36, 5, 2, 0x99AFE44B288D808B),
        (20, 16, 1, 0x9AA4052F1B16D667),
        (48, 1, 1, 0x41906614D6465AAE),
        (49, 1, 1, 0x2B7DA39A4219D355),
        (9, 3, 1, 0xF5E4DB124F670811),
    ];
}
